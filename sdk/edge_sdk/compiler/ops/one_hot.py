"""one_hot: `on` where an index names the place along a new dimension, `off` elsewhere (one_hot.cc).

Inputs: indices (int32 or int64), on, off. An index outside the dimension is nowhere on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import KernelCall, Op, operands, require, require_shape, source_dtype, tensor
from edge_sdk.compiler.ops.select import DTYPES
from edge_sdk.compiler.ops.strided_map import map_call, require_few_axes, stride_numbers


@dataclass(frozen=True)
class OneHotAttributes:
    """The new dimension, counted from the front, and its size."""

    axis: int
    depth: int


class OneHot(Op):
    """A comparison with 0, 1, 2 ... along the new dimension, which then chooses."""

    def check(self, node: Node) -> None:
        attributes: OneHotAttributes = node.attributes
        operands(node, 3)
        indices, on, off = (tensor(node, index) for index in range(3))
        require(indices.dtype in ("int32", "int64"), f"{indices.dtype} indices")
        dtype = source_dtype(on, off, node.output)
        require(dtype in DTYPES and dtype != "int16", f"{dtype} tensors")
        require(on.elements == off.elements == 1, "values of more than one element")
        require(attributes.depth >= 1, f"a dimension of {attributes.depth}")
        shape = (*indices.shape[: attributes.axis], attributes.depth, *indices.shape[attributes.axis :])
        require_shape(node.output, shape)
        require_few_axes(shape, *_compared(node))

    def lower(self, node: Node) -> list[KernelCall]:
        output = node.output
        condition = Value(f"{node.name} (on)", "bool", output.shape)
        a, b = (Value(value.name, value.dtype, (), value.quantization) for value in (tensor(node, 1), tensor(node, 2)))
        numbers: dict[str, int | float] = {"element": np.dtype(output.dtype).itemsize}
        numbers |= stride_numbers(output.shape, {"condition": condition, "a": a, "b": b})
        reads = {"condition": condition, "a": tensor(node, 1), "b": tensor(node, 2)}
        return [
            map_call(node, "equal", *_compared(node), condition),
            KernelCall(node.name, node.op, "select", numbers, reads, {"output": output}),
        ]


def _compared(node: Node) -> tuple[Value, Value]:
    """Return the indices with the new dimension, and what its places are called."""
    attributes: OneHotAttributes = node.attributes
    indices = tensor(node)
    behind = indices.shape[attributes.axis :]
    shape = (*indices.shape[: attributes.axis], 1, *behind)
    turned = Value(f"{node.name} (indices)", indices.dtype, shape, data=indices.data, alias_of=indices)
    if indices.data is not None:
        turned = Value(turned.name, indices.dtype, shape, data=indices.data.reshape(shape))
    places = np.arange(attributes.depth, dtype=indices.dtype).reshape(-1, *(1 for _ in behind))
    return turned, Value(f"{node.name} (places)", indices.dtype, places.shape, data=places)
