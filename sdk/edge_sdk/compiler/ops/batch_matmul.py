"""batch_matmul: inputs x [.., M, K] and y [.., K, N], both may be computed; either may be given turned.

The batch dimensions broadcast. float32; int8 as a convolution, requantised in fixed point; int16 with sums of 64 bits
and a multiplier cut to 16 (internal/reference/batch_matmul.h). float32 with one constant matrix y of int8 (hybrid):
each row of x is rounded, see dynamic_range.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.dynamic_range import (
    HybridWeights,
    hybrid_product,
    is_dynamic_range,
    require_hybrid_weights,
    rounding,
)
from edge_sdk.compiler.ops.fixed_point import UNLIMITED, quantize_multipliers
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    contents,
    kernel_dtype,
    operands,
    per_tensor,
    require,
    require_shape,
    tensor,
)
from edge_sdk.compiler.ops.view import Move, View, copy_call, require_loops
from edge_sdk.compiler.ops.wide import check_shifts, check_wide


@dataclass(frozen=True)
class BatchMatmulAttributes:
    """x is given as [.., K, M], y as [.., N, K]; asymmetric: how x is rounded where y is int8."""

    turned_x: bool = False
    turned_y: bool = False
    asymmetric: bool = False


class BatchMatmul(Op):
    """Products of as many pairs of matrices as the batch has."""

    def check(self, node: Node) -> None:
        operands(node, 2)
        x, y = tensor(node, 0), tensor(node, 1)
        hybrid = is_dynamic_range(x, y)
        dtype = kernel_dtype(x, x if hybrid else y, node.output, int16=True)
        require(min(len(x.shape), len(y.shape)) >= 2, f"matrices of {len(x.shape)} and {len(y.shape)} dimensions")
        attributes: BatchMatmulAttributes = node.attributes
        (m, k), (rows, n) = _matrix(x, turned=attributes.turned_x), _matrix(y, turned=attributes.turned_y)
        require(k == rows, f"matrices of {k} columns and {rows} rows")
        require_shape(node.output, (*_batch(x, y), m, n))
        if hybrid:
            require(y.elements == k * n, "several int8 matrices that meet float activations")
            require_hybrid_weights(y, y.shape)
        for move in (_arranged(node, 0), _arranged(node, 1)):
            if move is not None:
                require_loops(move)
        if dtype != "f32":
            shift = _requantization(node)[1]
            if dtype == "s16":
                check_wide(x, y, node.output, bias=None)
                check_shifts(shift)

    def lower(self, node: Node) -> list[KernelCall]:
        x, y, output = tensor(node, 0), tensor(node, 1), node.output
        if is_dynamic_range(x, y):
            return _hybrid(node)
        moves = [_arranged(node, 0), _arranged(node, 1)]
        x, y = (move.target if move is not None else whole for move, whole in zip(moves, (x, y), strict=True))
        m, n = output.shape[-2:]
        k = x.shape[-1]
        batch = output.elements // (m * n)
        dtype = kernel_dtype(x, y, output, int16=True)
        numbers: dict[str, int | float] = {"batch": batch, "m": m, "k": k, "n": n}
        numbers |= {"x_repeats": int(x.elements != batch * m * k), "y_repeats": int(y.elements != batch * k * n)}
        if dtype == "f32":
            numbers |= UNLIMITED
        else:
            multiplier, shift = _requantization(node)
            info = np.iinfo(output.dtype)
            numbers |= {"multiplier": int(multiplier[0]), "shift": int(shift[0])}
            numbers |= {"act_min": int(info.min), "act_max": int(info.max)}
            for name, value in (("x", x), ("y", y), ("output", output)):
                numbers[f"{name}_zero_point"] = per_tensor(value).zero_point
        reads, writes = {"x": x, "y": y}, {"output": output}
        product = KernelCall(node.name, node.op, f"matmul_{dtype}", numbers, reads, writes, macs=output.elements * k)
        return [*(copy_call(node, move) for move in moves if move is not None), product]


def _hybrid(node: Node) -> list[KernelCall]:
    """Return the calls of a dense layer over rounded rows."""
    attributes: BatchMatmulAttributes = node.attributes
    x, y, move = tensor(node, 0), tensor(node, 1), _arranged(node, 0)
    before = [] if move is None else [copy_call(node, move)]
    x = x if move is None else move.target
    k, n = _matrix(y, turned=attributes.turned_y)
    matrix = contents(y).reshape(n, k) if attributes.turned_y else contents(y).reshape(k, n).T
    factors = np.full(n, per_tensor(y).scales[0], np.float32)
    rounded, calls = rounding(node, x, width=k, symmetric=not attributes.asymmetric, name="x")
    numbers = UNLIMITED | {"batch": x.elements // k, "input_stride": 1, "output_stride": n}
    weights = HybridWeights(np.ascontiguousarray(matrix), factors)
    return [*before, *calls, hybrid_product(node, rounded, weights, numbers=numbers, writes={"output": node.output})]


def _matrix(value: Value, *, turned: bool) -> tuple[int, int]:
    rows, columns = value.shape[-2:]
    return (columns, rows) if turned else (rows, columns)


def _batch(x: Value, y: Value) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        require(False, f"batches of {list(x.shape[:-2])} and {list(y.shape[:-2])}")
        raise


def _arranged(node: Node, index: int) -> Move | None:
    """Return what brings an operand into the kernel's order, its batch repeated; None where it lies so already."""
    attributes: BatchMatmulAttributes = node.attributes
    value = tensor(node, index)
    turned = (attributes.turned_x, attributes.turned_y)[index]
    matrix, batch = _matrix(value, turned=turned), _batch(tensor(node, 0), tensor(node, 1))
    count = int(np.prod(value.shape[:-2], dtype=np.int64))
    if not turned and (value.shape[:-2] == batch or count == 1 or count == int(np.prod(batch, dtype=np.int64))):
        return None
    view = View.dense(value.shape)
    if turned:
        last = len(value.shape) - 1
        view = view.permuted((*range(last - 1), last, last - 1))
    shape = (*(batch if count != 1 else value.shape[:-2]), *matrix)
    view = view.repeated(shape)
    name = f"{node.name} ({'xy'[index]} arranged)"
    target = Value(name, value.dtype, shape, value.quantization, unsigned=value.unsigned)
    return Move(value, view, target, View.dense(shape))


def _requantization(node: Node) -> tuple[np.ndarray, np.ndarray]:
    scales = [per_tensor(value).scale for value in (tensor(node, 0), tensor(node, 1), node.output)]
    return quantize_multipliers(np.array([scales[0] * scales[1] / scales[2]]))
