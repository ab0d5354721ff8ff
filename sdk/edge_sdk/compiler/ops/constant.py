"""constant: what the importer has worked out already, such as the shape of a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.movement import Movement
from edge_sdk.compiler.ops.op import operands, require_shape
from edge_sdk.compiler.ops.view import Move, View


@dataclass(frozen=True, eq=False)
class ConstantAttributes:
    """The contents of the output."""

    data: NDArray[Any]


class Constant(Movement):
    """No inputs; folded, unless it is large."""

    def check(self, node: Node) -> None:
        attributes: ConstantAttributes = node.attributes
        operands(node, 0)
        require_shape(node.output, attributes.data.shape)
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: ConstantAttributes = node.attributes
        data = attributes.data
        view = View.dense(data.shape)
        return [Move(Value(node.name, data.dtype.name, data.shape, data=data), view, node.output, view)]
