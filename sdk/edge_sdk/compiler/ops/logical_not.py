"""logical_not: bools turned over, as an exclusive or with 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.elementwise import check_elementwise
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, require, source_dtype, tensor
from edge_sdk.compiler.ops.strided_map import map_call


class LogicalNot(Op):
    """True where the input is false."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        dtype = source_dtype(x, output)
        require(dtype == "bool", f"{dtype} tensors")

    def lower(self, node: Node) -> list[KernelCall]:
        true = Value(f"{node.name} true", "bool", (), data=np.array(True))
        return [map_call(node, "xor", tensor(node), true, node.output)]

    def fold(self, node: Node) -> NDArray[Any] | None:
        turned: NDArray[Any] = np.logical_not(contents(tensor(node)))
        return turned
