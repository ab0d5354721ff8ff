"""l2_normalization over the last dimension: x / sqrt(sum x^2).

int8: output scale 1/128, zero point 0; int8 and uint8 round differently, and so do we
(reference/l2normalization.h, reference/integer_ops/l2normalization.h).
"""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.op import KernelCall, Op, kernel_dtype, operands, per_tensor, source_dtype, tensor
from edge_sdk.compiler.ops.softmax import MAX_WIDE_DEPTH, check_row, require_steps, rows_of

OUTPUT_BITS = 7
OUTPUT_SCALE = 2.0**-OUTPUT_BITS


class L2Normalization(Op):
    """Make each row as long as 1."""

    def check(self, node: Node) -> None:
        operands(node, 1)
        x, output = tensor(node), node.output
        source_dtype(x, output)
        check_row(node, MAX_WIDE_DEPTH)
        if kernel_dtype(x, output) == "s8":
            per_tensor(x)
            require_steps(output, OUTPUT_SCALE, 0)

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        numbers, dtype = rows_of(x), kernel_dtype(x, output)
        if dtype == "s8":
            numbers |= {"zero_point": per_tensor(x).zero_point, "shift": 0 if x.unsigned else OUTPUT_BITS}
        return [
            KernelCall(
                node.name, node.op, f"l2_normalization_{dtype}", numbers, {"input": x}, {"output": output},
                in_place=("input",),
            )
        ]  # fmt: skip
