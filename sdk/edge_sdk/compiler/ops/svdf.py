"""svdf: a dense layer over the last inputs whose weights are of low rank (singular value decomposition filter).

Inputs x [N, K], filter [F, K], time [F, M], state [N, F * M], optional bias [U]; outputs y [N, U] and the state.
F = U * rank. Each filter makes one number of the input and remembers the last M; a unit sums what `time` makes of the
memories of its filters. int8 keeps its state in int16 (reference/svdf.h, EvalIntegerSVDF), knows relu
only, and leaves it to the output's range. float32 with int8 weights (hybrid): x is rounded, see dynamic_range.py, and
the weights in time are the floats they stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.dynamic_range import (
    HybridWeights,
    dequantized,
    hybrid_product,
    is_dynamic_range,
    require_hybrid_weights,
    rounding,
)
from edge_sdk.compiler.ops.fixed_point import INT8_MAX, INT8_MIN, UNLIMITED, float_range, quantize_multiplier
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    contents,
    kernel_dtype,
    operands,
    per_tensor,
    require,
    require_shape,
    require_states,
    require_weights,
    tensor,
)

#: dtype of the activations -> of the memories and of what weighs them.
MEMORY_DTYPES = {"s8": "int16", "f32": "float32"}


@dataclass(frozen=True)
class SvdfAttributes:
    """Attributes of svdf.

    Attributes:
        rank: filters of one unit.
        asymmetric: how x is rounded where the weights are int8.
    """

    rank: int
    activation: str = "none"
    asymmetric: bool = False


class Svdf(Op):
    """Filters that remember."""

    def check(self, node: Node) -> None:
        attributes: SvdfAttributes = node.attributes
        require_states(node, *node.inputs[3:4])
        *_, bias = operands(node, 4, 5, outputs=2)
        x, filters, time, state, output = *(tensor(node, index) for index in range(4)), node.output
        for value in (x, filters, time):
            require(len(value.shape) == 2, f"tensor {value.name!r} of {len(value.shape)} dimensions, expected 2")
        (batch, depth), (count, memory), rank = x.shape, time.shape, attributes.rank
        require(rank >= 1 and count % rank == 0, f"{count} filters of rank {rank}")
        require(filters.shape == (count, depth), f"weights {list(filters.shape)}, expected {[count, depth]}")
        require_shape(output, (batch, count // rank))
        require(state.elements == batch * count * memory, f"a state of {state.elements} elements")
        dtype = kernel_dtype(x, output)
        hybrid = is_dynamic_range(x, filters)
        require_weights(filters, bias, count // rank, dtype, dynamic=hybrid)
        require(time.is_constant, "weights that are not constant")
        if hybrid:
            require_hybrid_weights(filters, filters.shape)
            require_hybrid_weights(time, time.shape)
        for value in (state,) if hybrid else (time, state):
            expected = MEMORY_DTYPES[dtype]
            require(value.dtype == expected, f"tensor {value.name!r} is {value.dtype}, expected {expected}")
        if dtype == "s8":
            require(attributes.activation == "relu", f"int8 with the activation {attributes.activation}, expected relu")
            self._scales(node)

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: SvdfAttributes = node.attributes
        x, filters, time, state = (tensor(node, index) for index in range(4))
        bias = node.inputs[4] if len(node.inputs) > 4 else None
        (batch, depth), (count, memory) = x.shape, time.shape
        dtype = kernel_dtype(x, node.output)
        numbers: dict[str, int | float] = {
            "batch": batch,
            "input_c": depth,
            "units": count // attributes.rank,
            "rank": attributes.rank,
            "memory": memory,
        }
        if dtype == "s8":
            numbers |= self._scales(node) | {"act_min": INT8_MIN, "act_max": INT8_MAX}
        else:
            numbers["act_min"], numbers["act_max"] = float_range(attributes.activation)
        constants: dict[str, NDArray[Any]] = {"filter": contents(filters), "time": contents(time)}
        if bias is not None:
            constants["bias"] = contents(bias)
        before: list[KernelCall] = []
        if is_dynamic_range(x, filters):
            before = self._newest(node)
            x = before[-1].writes["output"]
            numbers["input_c"] = count
            constants["time"] = dequantized(time)
            del constants["filter"]
        return [
            *before,
            KernelCall(
                node=node.name,
                op=node.op,
                kernel=f"svdf_{dtype}",
                numbers=numbers,
                reads={"input": x},
                writes={"output": node.output, "state": state},
                constants=constants,
                macs=batch * count * (memory if before else depth + memory),
            ),
        ]

    def _newest(self, node: Node) -> list[KernelCall]:
        """Return what makes the new numbers of all filters, of rounded x."""
        attributes: SvdfAttributes = node.attributes
        x, filters = tensor(node, 0), tensor(node, 1)
        (batch, depth), count = x.shape, filters.shape[0]
        rounded, calls = rounding(node, x, width=depth, symmetric=not attributes.asymmetric, name="x")
        numbers = UNLIMITED | {"batch": batch, "input_stride": 1, "output_stride": count}
        newest = Value(f"{node.name} (newest)", "float32", (batch, count))
        weights, writes = HybridWeights.of([filters]), {"output": newest}
        return [*calls, hybrid_product(node, rounded, weights, numbers=numbers, writes=writes)]

    def _scales(self, node: Node) -> dict[str, int | float]:
        x, filters, time, state = (tensor(node, index) for index in range(4))
        before, after = per_tensor(x), per_tensor(node.output)
        kept = _centred(state)
        # The reference multiplies and divides in float32.
        factors = before.scales[0] * _centred(filters) / kept, kept * _centred(time) / after.scales[0]
        numbers: dict[str, int | float] = {
            "input_zero_point": before.zero_point,
            "output_zero_point": after.zero_point,
        }
        for name, factor in zip(("", "output_"), factors, strict=True):
            require(bool(np.isfinite(factor)), "the ratio of its scales is no finite number")
            numbers[f"{name}multiplier"], numbers[f"{name}shift"] = quantize_multiplier(float(factor))
        return numbers


def _centred(value: Value) -> np.float32:
    """Return the scale of a tensor whose zero point is 0."""
    q = per_tensor(value)
    require(q.zero_point == 0, f"tensor {value.name!r} has zero point {q.zero_point}, expected 0")
    scale: np.float32 = q.scales[0]
    return scale
