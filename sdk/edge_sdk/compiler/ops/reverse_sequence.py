"""reverse_sequence: in each batch the first so many elements of a dimension stand in reverse, the others stay."""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.movement import Movement
from edge_sdk.compiler.ops.op import operands, require, require_shape, tensor
from edge_sdk.compiler.ops.view import Move, View

MAX_BATCHES = 1024


@dataclass(frozen=True)
class ReverseSequenceAttributes:
    """How many elements of `axis` are reversed, for each index of `batch_axis`."""

    lengths: tuple[int, ...]
    axis: int
    batch_axis: int


class ReverseSequence(Movement):
    """Two moves for each batch."""

    def check(self, node: Node) -> None:
        attributes: ReverseSequenceAttributes = node.attributes
        operands(node, 1)
        x = tensor(node)
        axis, batch_axis, rank = attributes.axis, attributes.batch_axis, len(x.shape)
        require(0 <= axis < rank and 0 <= batch_axis < rank and axis != batch_axis, f"axes {axis} and {batch_axis}")
        batches = x.shape[batch_axis]
        require(len(attributes.lengths) == batches <= MAX_BATCHES, f"{len(attributes.lengths)} lengths of {batches}")
        require(
            all(0 <= length <= x.shape[axis] for length in attributes.lengths),
            f"lengths {list(attributes.lengths)} of {x.shape[axis]}",
        )
        require_shape(node.output, x.shape)
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: ReverseSequenceAttributes = node.attributes
        x, axis = tensor(node), attributes.axis
        moves = []
        for batch, length in enumerate(attributes.lengths):
            whole = View.dense(x.shape).cut(attributes.batch_axis, batch, 1, 1)
            for begin, step, to, size in ((length - 1, -1, 0, length), (length, 1, length, x.shape[axis] - length)):
                if size:
                    from_ = whole.cut(axis, begin, step, size)
                    moves.append(Move(x, from_, node.output, whole.cut(axis, to, 1, size)))
        return moves
