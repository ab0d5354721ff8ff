"""split: the parts of a tensor along one dimension, each an output; also unpack, where the dimension is dropped."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.movement import Movement, normal_axis
from edge_sdk.compiler.ops.op import operands, require, require_shape, tensor
from edge_sdk.compiler.ops.view import Move, View


@dataclass(frozen=True)
class SplitAttributes:
    """The dimension, negative from the end, and the size of each part; `dropped`: parts of size 1 lose it."""

    axis: int
    sizes: tuple[int, ...]
    dropped: bool = False


class Split(Movement):
    """The other way round than concat."""

    def check(self, node: Node) -> None:
        attributes: SplitAttributes = node.attributes
        operands(node, 1, outputs=len(attributes.sizes))
        x = tensor(node)
        axis, sizes = normal_axis(attributes.axis, len(x.shape)), attributes.sizes
        require(
            min(sizes, default=0) >= 1 and sum(sizes) == x.shape[axis],
            f"parts of {list(sizes)} along dimension {axis}, which has {x.shape[axis]}",
        )
        require(not attributes.dropped or set(sizes) == {1}, "a dimension that is dropped has parts of more than 1")
        for output, size in zip(node.outputs, sizes, strict=True):
            kept = () if attributes.dropped else (size,)
            require_shape(output, (*x.shape[:axis], *kept, *x.shape[axis + 1 :]))
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: SplitAttributes = node.attributes
        x = tensor(node)
        axis = normal_axis(attributes.axis, len(x.shape))
        outer, inner = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
        moves, begin = [], 0
        for output, size in zip(node.outputs, attributes.sizes, strict=True):
            from_ = View.dense((outer, x.shape[axis], inner)).cut(1, begin, 1, size)
            moves.append(Move(x, from_, output, View.dense((outer, size, inner))))
            begin += size
        return moves
