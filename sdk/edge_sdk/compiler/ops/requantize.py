"""requantize: int8 or uint8 -> int8 or uint8 of another scale (reference/requantize.h)."""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.elementwise import check_elementwise, int8_steps
from edge_sdk.compiler.ops.fixed_point import INT8_MAX, INT8_MIN, quantize_multiplier
from edge_sdk.compiler.ops.op import KernelCall, Op, tensor


class Requantize(Op):
    """Steps of one scale become steps of another: clamp(MBQM(q - z1, s1 / s2) + z2)."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        quantize_multiplier(int8_steps(x).scale / int8_steps(output).scale)

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
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
