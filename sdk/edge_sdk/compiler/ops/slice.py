"""slice: every so manyth element of each dimension, forwards or backwards; also strided slices and reversal."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.movement import Movement, require_elements
from edge_sdk.compiler.ops.op import operands, require, tensor
from edge_sdk.compiler.ops.view import Move, View


@dataclass(frozen=True)
class SliceAttributes:
    """For each dimension of the input: the first index, the step (not 0) and how many there are."""

    begin: tuple[int, ...]
    step: tuple[int, ...]
    size: tuple[int, ...]


class Slice(Movement):
    """The output's shape is `size`, apart from dimensions of size 1."""

    def check(self, node: Node) -> None:
        attributes: SliceAttributes = node.attributes
        operands(node, 1)
        x = tensor(node)
        begin, step, size = attributes.begin, attributes.step, attributes.size
        require(len(begin) == len(step) == len(size) == len(x.shape), f"a slice of other rank than {list(x.shape)}")
        for axis, extent in enumerate(x.shape):
            last = begin[axis] + (size[axis] - 1) * step[axis]
            require(size[axis] >= 1 and step[axis] != 0, "a slice without elements")
            require(
                0 <= begin[axis] < extent and 0 <= last < extent,
                f"indices {begin[axis]} to {last} of dimension {axis}, which has {extent}",
            )
        require_elements(node.output, prod(size))
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: SliceAttributes = node.attributes
        view = View.dense(tensor(node).shape)
        for axis, of in enumerate(zip(attributes.begin, attributes.step, attributes.size, strict=True)):
            view = view.cut(axis, *of)
        return [Move(tensor(node), view, node.output, View.dense(view.sizes))]
