"""mean: the mean over some dimensions.

int8 and int16 divide inside the requantisation factor (reference/reduce.h, QuantizedMeanOrSum); int32 and int64 cut
the quotient off towards 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk import abi
from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.fixed_point import mean_multiplier
from edge_sdk.compiler.ops.op import KERNEL_DTYPES, KernelCall, per_tensor, tensor
from edge_sdk.compiler.ops.reduce import Reduce, check_scales, reduce_call, require_type
from edge_sdk.compiler.ops.reduction import ReduceAttributes, arranged, check_reduction


@dataclass(frozen=True)
class MeanAttributes(ReduceAttributes):
    """Which dimensions vanish; negative axes count from the end."""


class Mean(Reduce):
    """The mean: by a kernel of its own where that has one for the type."""

    def check(self, node: Node) -> None:
        check_reduction(node)
        require_type(node, "int8", "int16", "int32", "int64", "float32")
        check_scales(node)

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        seen = arranged(node)
        numbers: dict[str, int | float] = {"outer": seen.outer, "reduced": seen.reduced, "inner": seen.inner}
        if x.dtype in ("int8", "int16"):
            q_in, q_out = per_tensor(x), per_tensor(output)
            numbers["multiplier"], numbers["shift"] = mean_multiplier(q_in.scale / q_out.scale, seen.reduced)
            numbers |= {"input_zero_point": q_in.zero_point, "output_zero_point": q_out.zero_point}
        if x.dtype in KERNEL_DTYPES:
            kernel = abi.KERNELS[f"mean_{KERNEL_DTYPES[x.dtype]}"]
            if abi.row_work(kernel, numbers) <= abi.MAX_WORK:
                call = KernelCall(node.name, node.op, kernel.name, numbers, {"input": seen.value}, {"output": output})
                return [*seen.calls, call]
        return [*seen.calls, reduce_call(node, "mean", seen, numbers)]
