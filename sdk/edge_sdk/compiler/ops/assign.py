"""assign: the same elements in another value; what goes into a state, or is read out of one before it changes."""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.movement import Movement
from edge_sdk.compiler.ops.op import operands, require, tensor
from edge_sdk.compiler.ops.view import Move, View


class Assign(Movement):
    """A copy. It is never folded: a constant that is assigned to a state is assigned in every run."""

    def check(self, node: Node) -> None:
        operands(node, 1)
        x, output = tensor(node), node.output
        require(x.shape == output.shape, f"output {output.name!r} is {list(output.shape)}, expected {list(x.shape)}")
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        view = View.dense((node.output.elements,))
        return [Move(tensor(node), view, node.output, view)]

    def fold(self, node: Node) -> None:
        return None
