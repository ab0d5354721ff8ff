"""relu, relu6 and relu_n1_to_1 as nodes of their own; the op's name is the activation's.

int8 may change the scale on the way: clamp(MBQM(q - z1, s1 / s2) + z2), the quotient in float32
(kernels/activations.cc, reference/activations).
"""

from __future__ import annotations

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.elementwise import check_elementwise
from edge_sdk.compiler.ops.fixed_point import float_range, quantize_multiplier, quantized_range
from edge_sdk.compiler.ops.op import KernelCall, Op, kernel_dtype, per_tensor, tensor


class Relu(Op):
    """A clamp to the activation's range."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        if kernel_dtype(x, output) == "s8":
            quantize_multiplier(_ratio(x, output))

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        numbers: dict[str, int | float] = {"count": x.elements}
        if kernel_dtype(x, output) == "f32":
            numbers["act_min"], numbers["act_max"] = float_range(node.op)
            kernel = "clamp_f32"
        else:
            q = per_tensor(output)
            numbers["multiplier"], numbers["shift"] = quantize_multiplier(_ratio(x, output))
            numbers |= {"input_zero_point": per_tensor(x).zero_point, "output_zero_point": q.zero_point}
            numbers["act_min"], numbers["act_max"] = quantized_range(node.op, q.scale, q.zero_point)
            kernel = "requantize_s8"
        return [KernelCall(node.name, node.op, kernel, numbers, {"input": x}, {"output": output}, in_place=("input",))]


def _ratio(x: Value, output: Value) -> float:
    return float(np.float32(per_tensor(x).scale) / np.float32(per_tensor(output).scale))
