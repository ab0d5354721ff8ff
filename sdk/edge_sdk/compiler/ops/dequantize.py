"""dequantize: int8, uint8, int16 or float16 -> float32, scale * (q - zero point).

float16 is the stored weights of a float model, which are folded away unless something gathers from them first. Weights
with a scale per channel are folded too; other tensors have one scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.conversion import convert_call
from edge_sdk.compiler.ops.elementwise import check_elementwise, int8_steps
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, per_tensor, require, tensor


class Dequantize(Op):
    """Steps become real numbers."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        require(output.dtype == "float32", f"dequantisation to {output.dtype}")
        if x.dtype == "float16":
            return
        if _per_channel(x):
            _channels(x)
        elif x.dtype == "int16":
            per_tensor(x)
        else:
            int8_steps(x)

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        if x.dtype == "float16":
            return [convert_call(node, "cast")]
        if x.dtype == "int16":
            q = per_tensor(x)
            return [convert_call(node, "dequantize_s16_f32", scale=q.scale, input_zero_point=q.zero_point)]
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
        if _per_channel(x):
            scales, zero_points = _channels(x)
            real: NDArray[Any] = scales * (contents(x).astype(np.int64) - zero_points).astype(np.float32)
            return real
        if x.dtype == "int16":
            q = per_tensor(x)
            return (q.scale * (contents(x).astype(np.float64) - q.zero_point)).astype(np.float32)
        steps = int8_steps(x)
        zero_point = steps.zero_point + (128 if steps.xor else 0)
        return (steps.scale * (contents(x).astype(np.float64) - zero_point)).astype(np.float32)


def _per_channel(x: Value) -> bool:
    return x.is_constant and x.quantization is not None and x.quantization.scales.size > 1


def _channels(x: Value) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scales and zero points of constant bytes, in a shape that repeats along all dimensions but one."""
    q = x.quantization
    require(q is not None and x.dtype in ("int8", "uint8"), f"{x.dtype} tensors with a scale per channel")
    assert q is not None  # noqa: S101 - for the type checker
    require(0 <= q.axis < len(x.shape), f"quantised along dimension {q.axis} of {len(x.shape)}")
    require(q.scales.size == x.shape[q.axis], f"{q.scales.size} scales for {x.shape[q.axis]} channels")
    shape = tuple(q.scales.size if axis == q.axis else 1 for axis in range(len(x.shape)))
    zero_points = np.broadcast_to(q.zero_points, q.scales.shape)
    return q.scales.reshape(shape), zero_points.reshape(shape)
