"""What quantize, dequantize and requantize share: bytes of uint8 tensors as int8 steps 128 lower.

`input_xor` and `output_xor` of the descriptor flip the top bit, so one int8 kernel serves both.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import operands, per_tensor, require, require_shape, tensor

TOP_BIT = 0x80


@dataclass(frozen=True)
class Steps:
    """Quantisation of an int8 or uint8 tensor in int8 steps."""

    scale: float
    zero_point: int
    xor: int


def int8_steps(value: Value) -> Steps:
    """Return scale, int8 zero point and the mask that turns stored bytes into int8."""
    require(value.dtype in ("int8", "uint8"), f"{value.dtype} tensors")
    q = per_tensor(value)
    if value.dtype == "uint8":
        return Steps(q.scale, q.zero_point - 128, TOP_BIT)
    return Steps(q.scale, q.zero_point, 0)


def check_elementwise(node: Node) -> tuple[Value, Value]:
    """Return (input, output) of a node with one input and an output of its shape."""
    operands(node, 1)
    require_shape(node.output, tensor(node).shape)
    return tensor(node), node.output
