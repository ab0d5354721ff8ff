"""requantize: steps of one scale become steps of another, between bytes, or int16 and another type.

reference/requantize.h; which pairs there are: kernels/quantize.cc.
"""

from __future__ import annotations

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.conversion import convert_call
from edge_sdk.compiler.ops.elementwise import check_elementwise, int8_steps
from edge_sdk.compiler.ops.fixed_point import INT8_MAX, INT8_MIN, quantize_multiplier
from edge_sdk.compiler.ops.op import KernelCall, Op, per_tensor, require, tensor

#: Pairs of types with a wider one, as the reference has them.
WIDE = {("int16", "int8"), ("int16", "int16"), ("int16", "int32"), ("int32", "int8"), ("int32", "int16")}


class Requantize(Op):
    """Steps of one scale become steps of another: clamp(MBQM(q - z1, s1 / s2) + z2)."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        if not _is_wide(x, output):
            quantize_multiplier(int8_steps(x).scale / int8_steps(output).scale)
            return
        require((x.dtype, output.dtype) in WIDE, f"{x.dtype} tensors requantised to {output.dtype}")
        require(not output.unsigned, f"{x.dtype} tensors requantised to uint8")
        symmetric = per_tensor(x).zero_point == 0 == per_tensor(output).zero_point
        require(symmetric or {x.dtype, output.dtype} != {"int16"}, "int16 tensors with a zero point other than 0")
        quantize_multiplier(per_tensor(x).scale / per_tensor(output).scale)

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        if _is_wide(x, output):
            return [_rescale(node)]
        before, after = int8_steps(x), int8_steps(output)
        multiplier, shift = quantize_multiplier(before.scale / after.scale)
        numbers: dict[str, int | float] = {
            "count": x.elements,
            "input_zero_point": before.zero_point,
            "output_zero_point": after.zero_point,
            "input_xor": before.xor,
            "output_xor": after.xor,
            "multiplier": multiplier,
            "shift": shift,
            "act_min": INT8_MIN,
            "act_max": INT8_MAX,
        }
        return [
            KernelCall(
                node.name, node.op, "requantize_s8", numbers, {"input": x}, {"output": output}, in_place=("input",)
            )
        ]


def _is_wide(x: Value, output: Value) -> bool:
    return x.dtype in ("int16", "int32") or output.dtype in ("int16", "int32")


def _rescale(node: Node) -> KernelCall:
    before, after = per_tensor(tensor(node)), per_tensor(node.output)
    multiplier, shift = quantize_multiplier(before.scale / after.scale)
    zero_points = {"input_zero_point": before.zero_point, "output_zero_point": after.zero_point}
    return convert_call(node, "rescale", multiplier=multiplier, shift=shift, **zero_points)
