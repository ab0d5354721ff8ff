"""Calls of the convert kernels: numbers of one type as numbers of another."""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.op import KernelCall, tensor

#: edge_convert_type of kernels/convert/convert.h.
TYPES = {
    name: number
    for number, name in enumerate(("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool"))
}


def convert_call(node: Node, kernel: str, **numbers: int | float) -> KernelCall:
    """Return the call that converts the node's only input."""
    x, output = tensor(node), node.output
    fields: dict[str, int | float] = {"count": x.elements, "from": TYPES[x.dtype], "to": TYPES[output.dtype]}
    return KernelCall(node.name, node.op, kernel, fields | numbers, {"input": x}, {"output": output})
