"""select: one of two tensors, element by element, by a tensor of bools (select.cc).

Select_v2 repeats all three; select takes them of one shape, or a condition that chooses along the first dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, require, require_shape, source_dtype, tensor
from edge_sdk.compiler.ops.strided_map import broadcast_shape, require_few_axes, stride_numbers

DTYPES = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")


@dataclass(frozen=True)
class SelectAttributes:
    """Attributes of select.

    Attributes:
        repeats: whether operands are repeated; if not, a condition of one dimension stands for the first.
    """

    repeats: bool = True


class Select(Op):
    """a where the condition is true, b elsewhere."""

    def check(self, node: Node) -> None:
        operands(node, 3)
        condition, a, b = (tensor(node, index) for index in range(3))
        dtype = source_dtype(a, b, node.output)
        require(condition.dtype == "bool", f"a condition of {condition.dtype}")
        require(dtype in DTYPES, f"{dtype} tensors")
        if not node.attributes.repeats:
            require(a.shape == b.shape, f"operands of shapes {list(a.shape)} and {list(b.shape)}")
            fits = condition.shape in (a.shape, a.shape[:1])
            require(fits, f"a condition of shape {list(condition.shape)} for {list(a.shape)}")
        condition = _aligned(node)
        require_shape(node.output, broadcast_shape(condition, a, b))
        require_few_axes(node.output.shape, condition, a, b)

    def lower(self, node: Node) -> list[KernelCall]:
        a, b, output = tensor(node, 1), tensor(node, 2), node.output
        reads = {"condition": _aligned(node), "a": a, "b": b}
        numbers: dict[str, int | float] = {"element": np.dtype(output.dtype).itemsize}
        numbers |= stride_numbers(output.shape, reads)
        return [
            KernelCall(node.name, node.op, "select", numbers, {**reads, "condition": tensor(node)}, {"output": output})
        ]

    def fold(self, node: Node) -> NDArray[Any] | None:
        condition = contents(tensor(node)).reshape(_aligned(node).shape)
        return np.where(condition, contents(tensor(node, 1)), contents(tensor(node, 2)))


def _aligned(node: Node) -> Value:
    """Return the condition, with dimensions of 1 behind one that stands for the first alone."""
    condition, a = tensor(node, 0), tensor(node, 1)
    if node.attributes.repeats or condition.shape == a.shape:
        return condition
    return Value(condition.name, condition.dtype, condition.shape + (1,) * (len(a.shape) - 1))
