"""Comparisons: equal, not_equal, less, less_equal, greater, greater_equal; their output is bool.

Quantised operands are brought to one scale first, with 8 more bits (comparisons.cc, reference/comparisons.h).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.arithmetic import Numbers
from edge_sdk.compiler.ops.fixed_point import quantize_multiplier
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    contents,
    operands,
    per_tensor,
    require,
    require_shape,
    source_dtype,
    tensor,
)
from edge_sdk.compiler.ops.strided_map import broadcast_shape, map_call, require_few_axes

LEFT = 8
PLAIN = ("float32", "int32", "int64")
QUANTIZED = ("int8", "uint8")
#: What the reference has for some ops only.
OF_BOOLS, OF_INT16 = ("equal", "not_equal"), ("equal", "greater", "greater_equal", "less", "less_equal")


class Compare(Op):
    """The comparison that the node's op names."""

    def check(self, node: Node) -> None:
        operands(node, 2)
        a, b, output = tensor(node, 0), tensor(node, 1), node.output
        dtype = source_dtype(a, b)
        require(
            dtype in (*PLAIN, *QUANTIZED)
            or (dtype == "bool" and node.op in OF_BOOLS)
            or (dtype == "int16" and node.op in OF_INT16),
            f"{dtype} tensors",
        )
        require(output.dtype == "bool", f"comparison with {output.dtype} output")
        require_shape(output, broadcast_shape(a, b))
        require_few_axes(output.shape, a, b)
        _numbers(node)

    def lower(self, node: Node) -> list[KernelCall]:
        operation, numbers = _numbers(node)
        return [map_call(node, operation, tensor(node, 0), tensor(node, 1), node.output, numbers)]

    def fold(self, node: Node) -> NDArray[Any] | None:
        operation, _ = _numbers(node)
        if operation != node.op:
            return None
        answers: NDArray[Any] = getattr(np, node.op)(contents(tensor(node, 0)), contents(tensor(node, 1)))
        return answers


def _numbers(node: Node) -> tuple[str, Numbers]:
    a, b = tensor(node, 0), tensor(node, 1)
    if source_dtype(a, b) not in QUANTIZED:
        return node.op, {}
    return f"steps_{node.op}", {"left": LEFT, **_scaled(a, "a"), **_scaled(b, "b")}


def _scaled(value: Value, name: str) -> Numbers:
    q = per_tensor(value)
    require(q.scale < 1, f"tensor {value.name!r} has scale {q.scale}, expected below 1")
    multiplier, shift = quantize_multiplier(q.scale)
    return {f"{name}_zero_point": q.zero_point, f"{name}_multiplier": multiplier, f"{name}_shift": shift}
