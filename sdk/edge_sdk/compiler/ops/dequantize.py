"""dequantize: int8, uint8 or float16 -> float32, scale * (q - zero point).

float16 exists only as stored weights of a float model, so it is always folded away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.elementwise import check_elementwise, int8_steps
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, require, tensor


class Dequantize(Op):
    """Steps become real numbers."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        require(output.dtype == "float32", f"dequantisation to {output.dtype}")
        if x.dtype == "float16":
            require(x.is_constant, "float16 tensors that are not constant")
        else:
            int8_steps(x)

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        steps = int8_steps(x)
        numbers: dict[str, int | float] = {
            "count": x.elements,
            "input_zero_point": steps.zero_point,
            "input_xor": steps.xor,
            "scale": steps.scale,
        }
        return [KernelCall(node.name, node.op, "dequantize_s8_f32", numbers, {"input": x}, {"output": output})]

    def fold(self, node: Node) -> NDArray[Any] | None:
        x = tensor(node)
        if x.dtype == "float16":
            return contents(x).astype(np.float32)
        steps = int8_steps(x)
        zero_point = steps.zero_point + (128 if steps.xor else 0)
        return (steps.scale * (contents(x).astype(np.float64) - zero_point)).astype(np.float32)
