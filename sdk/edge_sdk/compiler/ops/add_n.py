"""add_n: the sum of any number of tensors of one shape, one after the other (add_n.cc)."""

from __future__ import annotations

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import KernelCall, Op, operands, require, require_shape, source_dtype, tensor
from edge_sdk.compiler.ops.strided_map import map_call

#: Operands of one node.
MOST = 4096


class AddN(Op):
    """A sum of many."""

    def check(self, node: Node) -> None:
        operands(node, 2, MOST)
        values = [tensor(node, index) for index in range(len(node.inputs))]
        dtype = source_dtype(*values, node.output)
        require(dtype in ("float32", "int32"), f"{dtype} tensors")
        require(len({value.shape for value in values}) == 1, "operands of different shapes")
        require_shape(node.output, values[0].shape)

    def lower(self, node: Node) -> list[KernelCall]:
        first, *rest = (tensor(node, index) for index in range(len(node.inputs)))
        calls = []
        for number, value in enumerate(rest):
            last = number == len(rest) - 1
            total = node.output if last else Value(f"{node.name} {number}", first.dtype, first.shape)
            calls.append(map_call(node, "add", first, value, total))
            first = total
        return calls
