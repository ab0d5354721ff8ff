"""arg_max, arg_min: where along a dimension the greatest or least element stands; the first of equal ones."""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.op import KernelCall, Op, require, tensor
from edge_sdk.compiler.ops.reduce import TYPES, reduce_call
from edge_sdk.compiler.ops.reduction import arranged, check_reduction, reduced_axes

INDEX_BYTES = {"int32": 4, "int64": 8}


class Arg(Op):
    """The attributes name one axis."""

    def check(self, node: Node) -> None:
        check_reduction(node)
        x, output = tensor(node), node.output
        require(len(reduced_axes(node)) == 1, f"{len(reduced_axes(node))} axes, expected 1")
        require(x.dtype in TYPES and x.dtype != "bool", f"{x.dtype} tensors")
        require(output.dtype in INDEX_BYTES, f"{output.dtype} indices")

    def lower(self, node: Node) -> list[KernelCall]:
        index_bytes = INDEX_BYTES[node.output.dtype]
        return [reduce_call(node, node.op, arranged(node), {"index_bytes": index_bytes})]
