"""concat: tensors one after the other along a dimension; also pack, where that dimension is new."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.movement import Movement, require_movable
from edge_sdk.compiler.ops.op import operands, require, require_shape, tensor
from edge_sdk.compiler.ops.view import Move, View
from edge_sdk.errors import ModelError

MAX_PARTS = 4096


@dataclass(frozen=True)
class ConcatAttributes:
    """The dimension, counted from the front in the output's shape; `stacked`: each input is one index of it."""

    axis: int
    stacked: bool = False


class Concat(Movement):
    """Every input is a part of the output, [outer, its size, inner]."""

    def check(self, node: Node) -> None:
        attributes: ConcatAttributes = node.attributes
        operands(node, 1, MAX_PARTS)
        if any(value is None for value in node.inputs):
            raise ModelError("a required input is missing")
        first = tensor(node).shape
        rank = len(first) + attributes.stacked
        require(0 <= attributes.axis < rank, f"axis {attributes.axis} of {rank} dimensions")
        for index in range(len(node.inputs)):
            shape = tensor(node, index).shape
            require(
                self._rest(shape, attributes) == self._rest(first, attributes) and len(shape) == len(first),
                f"shapes {list(first)} and {list(shape)} do not go together",
            )
            require_movable(tensor(node, index), node.output)
        require_shape(node.output, self._shape(node))
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: ConcatAttributes = node.attributes
        axis, output = attributes.axis, node.output
        outer, inner = prod(output.shape[:axis]), prod(output.shape[axis + 1 :])
        moves, begin = [], 0
        for index in range(len(node.inputs)):
            x = tensor(node, index)
            size = 1 if attributes.stacked else x.shape[axis]
            to = View.dense((outer, output.shape[axis], inner)).cut(1, begin, 1, size)
            moves.append(Move(x, View.dense((outer, size, inner)), output, to))
            begin += size
        return moves

    def _rest(self, shape: tuple[int, ...], attributes: ConcatAttributes) -> tuple[int, ...]:
        """Return the sizes that all inputs have in common."""
        return shape if attributes.stacked else (*shape[: attributes.axis], *shape[attributes.axis + 1 :])

    def _shape(self, node: Node) -> tuple[int, ...]:
        attributes: ConcatAttributes = node.attributes
        first, axis = tensor(node).shape, attributes.axis
        if attributes.stacked:
            return (*first[:axis], len(node.inputs), *first[axis:])
        total = sum(tensor(node, index).shape[axis] for index in range(len(node.inputs)))
        return (*first[:axis], total, *first[axis + 1 :])
