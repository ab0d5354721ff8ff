"""log_softmax over the last dimension: x - max - ln(sum e^(x - max)).

int8: in fixed point of 5 integer bits; output scale 1/16, zero point 127
(reference/integer_ops/log_softmax.h; quantization_util.cc, PreprocessLogSoftmaxScalingExp).
"""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.fixed_point import quantize_multiplier
from edge_sdk.compiler.ops.op import KernelCall, Op, kernel_dtype, operands, require, source_dtype, tensor
from edge_sdk.compiler.ops.softmax import (
    MAX_WIDE_DEPTH,
    check_row,
    factor,
    fixed_point_numbers,
    require_steps,
    rows_of,
)

OUTPUT_SCALE = 1 / 16
OUTPUT_ZERO_POINT = 127
#: The sum of that many exponentials fills the fixed point that its logarithm is taken of.
MAX_FIXED_DEPTH = 4095


class LogSoftmax(Op):
    """The logarithm of soft-max."""

    def check(self, node: Node) -> None:
        operands(node, 1)
        x, output = tensor(node), node.output
        source_dtype(x, output)
        dtype = kernel_dtype(x, output)
        check_row(node, MAX_FIXED_DEPTH if dtype == "s8" else MAX_WIDE_DEPTH)
        if dtype == "s8":
            require_steps(output, OUTPUT_SCALE, OUTPUT_ZERO_POINT)
            require(factor(1.0, x) > 1, "an input scale so small that all elements count as equal")

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        numbers, dtype = rows_of(x), kernel_dtype(x, output)
        if dtype == "s8":
            numbers |= fixed_point_numbers(1.0, x)
            reverse = float(1 << (31 - int(numbers["shift"]))) / numbers["multiplier"]
            numbers["reverse_multiplier"], numbers["reverse_shift"] = quantize_multiplier(reverse)
        return [
            KernelCall(
                node.name, node.op, f"log_softmax_{dtype}", numbers, {"input": x}, {"output": output},
                in_place=("input",),
            )
        ]  # fmt: skip
