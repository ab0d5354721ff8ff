"""quantize: float32 -> int8, uint8 or int16: clamp(round_half_away(x / scale) + zero point) (reference/quantize.h)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.conversion import convert_call
from edge_sdk.compiler.ops.elementwise import check_elementwise, int8_steps
from edge_sdk.compiler.ops.fixed_point import INT8_MAX, INT8_MIN, round_half_away_array
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, per_tensor, require, tensor


class Quantize(Op):
    """Real numbers become steps."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        require(x.dtype == "float32", f"quantisation of {x.dtype} tensors")
        if output.dtype == "int16":
            per_tensor(output)
        else:
            int8_steps(output)

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        if output.dtype == "int16":
            q = per_tensor(output)
            return [convert_call(node, "quantize_f32_s16", scale=q.scale, output_zero_point=q.zero_point)]
        steps = int8_steps(output)
        numbers: dict[str, int | float] = {
            "count": x.elements,
            "output_zero_point": steps.zero_point,
            "output_xor": steps.xor,
            "scale": steps.scale,
            "act_min": INT8_MIN,
            "act_max": INT8_MAX,
        }
        return [KernelCall(node.name, node.op, "quantize_f32_s8", numbers, {"input": x}, {"output": output})]

    def fold(self, node: Node) -> NDArray[Any] | None:
        if node.output.dtype == "int16":
            return None
        steps = int8_steps(node.output)
        x = contents(tensor(node)).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            q = round_half_away_array(x / np.float32(steps.scale)).astype(np.float64) + steps.zero_point
        if not np.isfinite(q).all():
            return None
        stored = np.clip(q, INT8_MIN, INT8_MAX).astype(np.int8)
        return stored if steps.xor == 0 else stored.view(np.uint8) ^ np.uint8(steps.xor)
