"""gather: slices of a tensor by their indices; also gather-nd and embedding look-ups. Inputs: tensor, indices.

The tensor is seen as [batch, outer, limits..., inner], the indices as [batch, count, as many as there are limits].
Indices that are computed are looked at in every run: one that is out of range stops it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.movement import MAX_GROWN_BYTES, require_elements, require_movable
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, require, tensor
from edge_sdk.errors import ModelError

#: Indices of one tuple.
MAX_DEPTH = 8
INDEX_BYTES = {"int32": 4, "int64": 8}


@dataclass(frozen=True)
class GatherAttributes:
    """How the tensor and the indices are seen."""

    batch: int
    outer: int
    limits: tuple[int, ...]
    inner: int
    count: int


class Gather(Op):
    """The importer has worked out the output's shape."""

    def check(self, node: Node) -> None:
        attributes: GatherAttributes = node.attributes
        operands(node, 2)
        x, indices = tensor(node, 0), tensor(node, 1)
        require_movable(x, node.output)
        depth = len(attributes.limits)
        require(1 <= depth <= MAX_DEPTH, f"tuples of {depth} indices, expected 1 to {MAX_DEPTH}")
        require(indices.dtype in INDEX_BYTES, f"indices of {indices.dtype}")
        require(
            indices.elements == attributes.batch * attributes.count * depth
            and x.elements == attributes.batch * attributes.outer * prod(attributes.limits) * attributes.inner,
            f"indices {list(indices.shape)} of {list(x.shape)}",
        )
        require_elements(node.output, attributes.batch * attributes.outer * attributes.count * attributes.inner)
        if indices.data is not None:
            tuples = _tuples(node)
            wrong = np.flatnonzero(((tuples < 0) | (tuples >= np.array(attributes.limits))).any(axis=1))
            if wrong.size:
                raise ModelError(f"index {tuples[wrong[0]].tolist()} of {list(attributes.limits)}")

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: GatherAttributes = node.attributes
        x, indices = tensor(node, 0), tensor(node, 1)
        return [gather_call(node, x, indices, node.output, attributes)]

    def fold(self, node: Node) -> NDArray[Any] | None:
        attributes: GatherAttributes = node.attributes
        x, output = tensor(node), node.output
        if output.size_bytes > x.size_bytes + MAX_GROWN_BYTES:
            return None
        flat = np.ravel_multi_index(tuple(_tuples(node).T), attributes.limits)
        seen = contents(x).reshape(attributes.batch, attributes.outer, -1, attributes.inner)
        picked = flat.reshape(attributes.batch, 1, attributes.count, 1)
        found: NDArray[Any] = np.take_along_axis(seen, picked, axis=2).reshape(output.shape)
        return found


def gather_call(node: Node, x: Value, indices: Value, output: Value, attributes: GatherAttributes) -> KernelCall:
    """Return the call of the kernel."""
    numbers: dict[str, int | float] = {
        "element": np.dtype(x.dtype).itemsize,
        "index_bytes": INDEX_BYTES[indices.dtype],
        "batch": attributes.batch,
        "outer": attributes.outer,
        "count": attributes.count,
        "depth": len(attributes.limits),
        "inner": attributes.inner,
    }
    idle = (1,) * (MAX_DEPTH - len(attributes.limits))
    numbers |= {f"limit_{k}": limit for k, limit in enumerate(attributes.limits + idle)}
    return KernelCall(node.name, node.op, "gather", numbers, {"input": x, "indices": indices}, {"output": output})


def _tuples(node: Node) -> NDArray[Any]:
    attributes: GatherAttributes = node.attributes
    return contents(tensor(node, 1)).reshape(-1, len(attributes.limits))
