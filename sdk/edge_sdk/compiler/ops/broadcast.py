"""broadcast: a tensor repeated along its dimensions of size 1 and along new ones in front; also fill and tile.

Tile counts its input as [1, size, 1, size, ...] first: the repeats stand in dimensions of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.movement import Movement, require_elements
from edge_sdk.compiler.ops.op import operands, require, tensor
from edge_sdk.compiler.ops.view import Move, View


@dataclass(frozen=True)
class BroadcastAttributes:
    """The input, counted as `shape`, becomes `target`."""

    shape: tuple[int, ...]
    target: tuple[int, ...]


class Broadcast(Movement):
    """The importer has worked out the output's shape."""

    def check(self, node: Node) -> None:
        attributes: BroadcastAttributes = node.attributes
        operands(node, 1)
        x, shape, target = tensor(node), attributes.shape, attributes.target
        require(prod(shape) == x.elements, f"{list(x.shape)} cannot be counted as {list(shape)}")
        goes = len(shape) <= len(target) and all(
            old in (1, new) for old, new in zip(shape, target[len(target) - len(shape) :], strict=True)
        )
        require(goes, f"broadcast of {list(shape)} to {list(target)}")
        require_elements(node.output, prod(target))
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: BroadcastAttributes = node.attributes
        view = View.dense(attributes.shape).repeated(attributes.target)
        return [Move(tensor(node), view, node.output, View.dense(view.sizes))]
