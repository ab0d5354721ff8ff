"""reshape: the same bytes under another shape. Also squeeze and expand-dims; no kernel runs."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.op import Op, contents, operands, require, tensor


class Reshape(Op):
    """The importer has worked out the output's shape."""

    is_alias = True

    def check(self, node: Node) -> None:
        operands(node, 1)
        x, output = tensor(node), node.output
        require(x.dtype == output.dtype, f"reshape from {x.dtype} to {output.dtype}")
        require(
            x.elements == output.elements, f"reshape of {list(x.shape)} to {list(output.shape)}: other element count"
        )

    def fold(self, node: Node) -> NDArray[Any] | None:
        return contents(tensor(node)).reshape(node.output.shape)
