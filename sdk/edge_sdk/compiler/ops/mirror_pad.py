"""mirror_pad: the border shows the tensor's own elements, mirrored at its edge."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.movement import Movement
from edge_sdk.compiler.ops.op import operands, require, require_shape, tensor
from edge_sdk.compiler.ops.pad import PadAttributes, padded_shape
from edge_sdk.compiler.ops.view import Move, View

#: Padded dimensions; each of them makes three parts of every part.
MAX_PADDED = 4


@dataclass(frozen=True)
class MirrorPadAttributes:
    """Elements before and after each dimension; `repeats_edge`: the outermost element is shown again (symmetric)."""

    padding: PadAttributes
    repeats_edge: bool


class MirrorPad(Movement):
    """One move for each part: before, inside and after along every padded dimension."""

    def check(self, node: Node) -> None:
        attributes: MirrorPadAttributes = node.attributes
        operands(node, 1)
        x = tensor(node)
        before, after = attributes.padding.before, attributes.padding.after
        require(len(before) == len(after) == len(x.shape), f"paddings of other rank than {list(x.shape)}")
        for axis, size in enumerate(x.shape):
            most = size if attributes.repeats_edge else size - 1
            require(
                0 <= before[axis] <= most and 0 <= after[axis] <= most,
                f"paddings {before[axis]} and {after[axis]} of dimension {axis}, at most {most}",
            )
        padded = sum(bool(first or last) for first, last in zip(before, after, strict=True))
        require(padded <= MAX_PADDED, f"{padded} mirrored dimensions, at most {MAX_PADDED}")
        require_shape(node.output, padded_shape(x.shape, attributes.padding))
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        x, output = tensor(node), node.output
        moves = []
        for parts in product(*self._parts(node)):
            from_, to = View.dense(x.shape), View.dense(output.shape)
            for axis, (begin, step, target, size) in enumerate(parts):
                from_, to = from_.cut(axis, begin, step, size), to.cut(axis, target, 1, size)
            moves.append(Move(x, from_, output, to))
        return moves

    def _parts(self, node: Node) -> list[list[tuple[int, int, int, int]]]:
        """Return (first index, step, index in the output, size) of the parts of each dimension."""
        attributes: MirrorPadAttributes = node.attributes
        edge = 0 if attributes.repeats_edge else 1
        parts = []
        padding = zip(tensor(node).shape, attributes.padding.before, attributes.padding.after, strict=True)
        for size, before, after in padding:
            along = [(before - 1 + edge, -1, 0, before), (0, 1, before, size)]
            along.append((size - 1 - edge, -1, before + size, after))
            parts.append([part for part in along if part[3]])
        return parts
