"""prelu: x, or x * alpha where x is negative; alpha is repeated along the dimensions it lacks (activations.cc)."""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.arithmetic import Numbers, steps_prelu
from edge_sdk.compiler.ops.op import KernelCall, Op, operands, require, require_shape, source_dtype, tensor
from edge_sdk.compiler.ops.strided_map import broadcast_shape, map_call, require_few_axes


class Prelu(Op):
    """A leaky relu whose slope is a tensor."""

    def check(self, node: Node) -> None:
        operands(node, 2)
        x, alpha, output = tensor(node, 0), tensor(node, 1), node.output
        dtype = source_dtype(x, alpha, output)
        require(dtype in ("float32", "int8", "uint8"), f"{dtype} tensors")
        require_shape(output, x.shape)
        require(broadcast_shape(x, alpha) == x.shape, f"slopes of shape {list(alpha.shape)} for {list(x.shape)}")
        require_few_axes(output.shape, x, alpha)
        _numbers(node)

    def lower(self, node: Node) -> list[KernelCall]:
        operation, numbers = _numbers(node)
        return [map_call(node, operation, tensor(node, 0), tensor(node, 1), node.output, numbers)]


def _numbers(node: Node) -> tuple[str, Numbers]:
    if node.output.dtype == "float32":
        return "prelu", {}
    return steps_prelu(tensor(node, 0), tensor(node, 1), node.output)
