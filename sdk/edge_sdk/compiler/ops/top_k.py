"""top_k: the k greatest elements along the last dimension, and where they stand (topk_v2.cc).

Of equal elements the first comes first.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.op import KernelCall, Op, operands, require, require_shape, tensor

#: dtype -> number of the kernel's type.
TYPES = {"int8": 0, "int16": 1, "int32": 2, "int64": 3, "float32": 4}


@dataclass(frozen=True)
class TopKAttributes:
    """How many."""

    k: int


class TopK(Op):
    """Outputs: values, int32 indices."""

    def check(self, node: Node) -> None:
        attributes: TopKAttributes = node.attributes
        operands(node, 1, outputs=2)
        x, (values, indices) = tensor(node), node.outputs
        require(x.dtype in TYPES and values.dtype == x.dtype, f"{x.dtype} tensors with {values.dtype} values")
        require(len(x.shape) >= 1, "an input without dimensions")
        require(1 <= attributes.k <= x.shape[-1], f"the greatest {attributes.k} of {x.shape[-1]}")
        require(indices.dtype == "int32", f"{indices.dtype} indices")
        for output in node.outputs:
            require_shape(output, (*x.shape[:-1], attributes.k))

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: TopKAttributes = node.attributes
        x, (values, indices) = tensor(node), node.outputs
        depth = x.shape[-1]
        numbers: dict[str, int | float] = {"type": TYPES[x.dtype], "rows": x.elements // depth}
        numbers |= {"depth": depth, "k": attributes.k}
        return [KernelCall(node.name, node.op, "top_k", numbers, {"input": x}, {"values": values, "output": indices})]
