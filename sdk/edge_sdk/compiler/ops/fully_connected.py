"""fully_connected: inputs x [.., K] (flattened to [M, K]), weights [N, K], optional bias [N].

int8 requantises in float64, not in fixed point (reference/integer_ops/fully_connected.h since 2025):
out = clamp(round_half_away(acc * (input scale * weight scale[n] / output scale)) + output zero point).
A zero point of the weights counts where they have one scale.
int16: exact sums, see wide.py, rounded as int8 ones.
float32 with int8 weights: each row is rounded first, see dynamic_range.py.
Weights that are computed meet the rows in the kernel of batch_matmul.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.dynamic_range import around_product, check_dynamic_weights, is_dynamic_range
from edge_sdk.compiler.ops.fixed_point import float_range, quantized_range
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    contents,
    kernel_dtype,
    operands,
    per_tensor,
    require,
    require_weights,
    tensor,
    weight_scales,
    weight_zero_point,
)
from edge_sdk.compiler.ops.view import Move, View, copy_call
from edge_sdk.compiler.ops.wide import check_wide, wide_convolution


@dataclass(frozen=True)
class FullyConnectedAttributes:
    """Attributes of fully_connected.

    asymmetric: float rows that meet int8 weights are rounded to 256 steps that include their ends, not to 255 around 0.
    """

    activation: str = "none"
    asymmetric: bool = False


class FullyConnected(Op):
    """A product with a constant matrix."""

    fuses_activation = True

    def check(self, node: Node) -> None:
        _, _, bias = operands(node, 2, 3)
        x, weights, output = tensor(node, 0), tensor(node, 1), node.output
        require(len(weights.shape) == 2, f"weights of {len(weights.shape)} dimensions, expected 2")
        n, k = weights.shape
        dtype = kernel_dtype(x, output, int16=True)
        dynamic = is_dynamic_range(x, weights)
        if weights.is_constant or dtype == "s16":
            require_weights(weights, bias, n, dtype, dynamic=dynamic)
        else:
            _check_computed(x, weights, bias, n)
        if dynamic:
            check_dynamic_weights(weights, n, axis=0)
        require(x.elements % k == 0, f"input {list(x.shape)} cannot be read as rows of {k}")
        require(
            output.elements == x.elements // k * n and output.shape[-1:] == (n,),
            f"output {list(output.shape)}, expected {x.elements // k} rows of {n}",
        )
        if dtype != "f32":
            self._scales(node)
            _filter_zero_point(weights)
        if dtype == "s16":
            check_wide(x, output, bias=bias)
            require(_filter_zero_point(weights) == 0, "int8 weights with a zero point of int16 activations")

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: FullyConnectedAttributes = node.attributes
        x, weights, output = tensor(node, 0), tensor(node, 1), node.output
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        n, k = weights.shape
        if x.dtype == "int16":
            images = (x.elements // k, 1, 1, k), (x.elements // k, 1, 1, n)
            matrix = contents(weights).reshape(n, 1, 1, k)
            return wide_convolution(node, matrix, {"scale": self._scales(node)}, groups=1, shapes=images)
        if not weights.is_constant:
            return self._lower_computed(node)
        numbers: dict[str, int | float] = {"batch": x.elements // k, "input_c": k, "output_c": n}
        constants: dict[str, NDArray[Any]] = {"filter": contents(weights)}
        if bias is not None:
            constants["bias"] = contents(bias)
        dtype = kernel_dtype(x, output)
        if dtype == "s8":
            q = per_tensor(output)
            constants["scale"] = self._scales(node)
            numbers |= {"input_zero_point": per_tensor(x).zero_point, "output_zero_point": q.zero_point}
            numbers["filter_zero_point"] = _filter_zero_point(weights)
            numbers["act_min"], numbers["act_max"] = quantized_range(attributes.activation, q.scale, q.zero_point)
        else:
            numbers["act_min"], numbers["act_max"] = float_range(attributes.activation)
        call = KernelCall(
            node=node.name,
            op=node.op,
            kernel=f"fully_connected_{dtype}",
            numbers=numbers,
            reads={"input": x},
            writes={"output": output},
            constants=constants,
            macs=x.elements * n,
        )
        if is_dynamic_range(x, weights):
            symmetric = not attributes.asymmetric
            return around_product(node, call, weights, 0, batch=x.elements // k, symmetric=symmetric)
        return [call]

    def _lower_computed(self, node: Node) -> list[KernelCall]:
        """Return the calls for weights that are no constant: turned round, then a product of two matrices."""
        attributes: FullyConnectedAttributes = node.attributes
        x, weights, output = tensor(node, 0), tensor(node, 1), node.output
        n, k = weights.shape
        turned = Value(f"{node.name} (weights turned)", weights.dtype, (k, n), weights.quantization)
        view = View.dense(weights.shape).permuted((1, 0))
        numbers: dict[str, int | float] = {"batch": 1, "m": x.elements // k, "k": k, "n": n}
        constants: dict[str, NDArray[Any]] = {}
        reads = {"x": x, "y": turned}
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if bias is not None:
            reads["bias"] = bias
        dtype = kernel_dtype(x, output)
        if dtype == "s8":
            q = per_tensor(output)
            constants["scale"] = self._scales(node)[:1]
            numbers |= {"x_zero_point": per_tensor(x).zero_point, "y_zero_point": per_tensor(weights).zero_point}
            numbers["output_zero_point"] = q.zero_point
            numbers["act_min"], numbers["act_max"] = quantized_range(attributes.activation, q.scale, q.zero_point)
        else:
            numbers["act_min"], numbers["act_max"] = float_range(attributes.activation)
        kernel, macs = f"matmul_{dtype}", x.elements * n
        product = KernelCall(node.name, node.op, kernel, numbers, reads, {"output": output}, constants, macs=macs)
        return [copy_call(node, Move(weights, view, turned, View.dense((k, n)))), product]

    def _scales(self, node: Node) -> NDArray[np.float64]:
        weights = tensor(node, 1)
        scales = weight_scales(weights, weights.shape[0], axis=0)
        scales = per_tensor(tensor(node, 0)).scale * scales / per_tensor(node.output).scale
        require(bool(np.isfinite(scales).all()), "the ratio of its scales is no finite number")
        return scales


def _check_computed(x: Value, weights: Value, bias: Value | None, n: int) -> None:
    require(weights.dtype == x.dtype, f"computed {weights.dtype} weights of {x.dtype} activations")
    if x.dtype == "int8":
        per_tensor(weights)
        require(not weights.unsigned, "computed uint8 weights")
    if bias is not None:
        expected = "int32" if x.dtype == "int8" else "float32"
        require(bias.dtype == expected, f"{bias.dtype} bias, expected {expected}")
        require(bias.elements == n, f"bias of {bias.elements} elements, expected {n}")


def _filter_zero_point(weights: Value) -> int:
    q = weights.quantization
    return weight_zero_point(weights) if q is not None and q.is_per_tensor else 0
