"""relu, relu6, relu_n1_to_1 and relu_0_to_1 as nodes of their own; the op's name is the activation's.

int8 and int16 may change the scale on the way: clamp(MBQM(q - z1, s1 / s2) + z2), the quotient in float32
(kernels/activations.cc, reference/activations). int16 is a table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.elementwise import check_elementwise
from edge_sdk.compiler.ops.fixed_point import (
    float32_ratio,
    float_range,
    quantize_multiplier,
    quantized_range,
    scale_steps,
)
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, per_tensor, require, source_dtype, tensor
from edge_sdk.compiler.ops.tables import Steps, all_steps, look_up, lookup_call

#: What the reference has for int16.
INT16_ACTIVATIONS = ("relu", "relu6")


class Relu(Op):
    """A clamp to the activation's range."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        dtype = source_dtype(x, output)
        require(
            dtype in ("float32", "int8", "uint8") or (dtype == "int16" and node.op in INT16_ACTIVATIONS),
            f"{dtype} tensors",
        )
        if dtype != "float32":
            quantize_multiplier(_ratio(x, output))

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        if x.dtype == "int16":
            return [lookup_call(node, _table(node))]
        numbers: dict[str, int | float] = {"count": x.elements}
        if x.dtype == "float32":
            numbers["act_min"], numbers["act_max"] = float_range(node.op)
            kernel = "clamp_f32"
        else:
            q = per_tensor(output)
            numbers["multiplier"], numbers["shift"] = quantize_multiplier(_ratio(x, output))
            numbers |= {"input_zero_point": per_tensor(x).zero_point, "output_zero_point": q.zero_point}
            numbers["act_min"], numbers["act_max"] = quantized_range(node.op, q.scale, q.zero_point)
            kernel = "requantize_s8"
        return [KernelCall(node.name, node.op, kernel, numbers, {"input": x}, {"output": output}, in_place=("input",))]

    def fold(self, node: Node) -> NDArray[Any] | None:
        if node.output.dtype != "float32":
            return look_up(node, _table(node))
        clamped: NDArray[Any] = np.clip(contents(tensor(node)), *map(np.float32, float_range(node.op)))
        return clamped


def _table(node: Node) -> Steps:
    x, output = tensor(node), node.output
    q = per_tensor(output)
    scaled = scale_steps(all_steps(x.dtype) - per_tensor(x).zero_point, *quantize_multiplier(_ratio(x, output)))
    return np.clip(scaled + q.zero_point, *quantized_range(node.op, q.scale, q.zero_point, output.dtype))


def _ratio(x: Value, output: Value) -> float:
    return float32_ratio(per_tensor(x).scale, per_tensor(output).scale)
