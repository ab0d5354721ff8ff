"""transpose: the dimensions in another order; also space-to-depth and depth-to-space.

Those two see the tensor under a finer shape first: [N, H, W, C] as [N, H / b, b, W / b, b, C].
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.movement import Movement, require_elements
from edge_sdk.compiler.ops.op import operands, require, tensor
from edge_sdk.compiler.ops.view import Move, View


@dataclass(frozen=True)
class TransposeAttributes:
    """The input, counted as `shape`, with its dimensions in `order`."""

    shape: tuple[int, ...]
    order: tuple[int, ...]


class Transpose(Movement):
    """The importer has worked out the output's shape."""

    def check(self, node: Node) -> None:
        attributes: TransposeAttributes = node.attributes
        operands(node, 1)
        x = tensor(node)
        rank = len(attributes.shape)
        require(sorted(attributes.order) == list(range(rank)), f"order {list(attributes.order)} of {rank} dimensions")
        require(prod(attributes.shape) == x.elements, f"{list(x.shape)} cannot be counted as {list(attributes.shape)}")
        require_elements(node.output, x.elements)
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: TransposeAttributes = node.attributes
        view = View.dense(attributes.shape).permuted(attributes.order)
        return [Move(tensor(node), view, node.output, View.dense(view.sizes))]
