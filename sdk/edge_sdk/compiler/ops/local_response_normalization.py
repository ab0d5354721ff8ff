"""local_response_normalization over the last dimension, float32: x * (bias + alpha * sum x^2)^-beta.

The sum goes from `radius` elements before to one less than that after, as the reference counts (reference_ops.h).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.op import KernelCall, Op, kernel_dtype, operands, require, tensor
from edge_sdk.compiler.ops.softmax import MAX_WIDE_DEPTH, check_row, rows_of


@dataclass(frozen=True)
class LocalResponseAttributes:
    """Attributes of local_response_normalization."""

    radius: int
    bias: float
    alpha: float
    beta: float


class LocalResponseNormalization(Op):
    """Set each element against its neighbours."""

    def check(self, node: Node) -> None:
        attributes: LocalResponseAttributes = node.attributes
        operands(node, 1)
        require(kernel_dtype(tensor(node), node.output) == "f32", "quantised tensors")
        require(len(tensor(node).shape) == 4, "tensors that are not 4-dimensional")
        check_row(node, MAX_WIDE_DEPTH)
        require(0 <= attributes.radius <= MAX_WIDE_DEPTH, f"radius {attributes.radius}, at most {MAX_WIDE_DEPTH}")
        for number in (attributes.bias, attributes.alpha, attributes.beta):
            require(math.isfinite(number), f"bias, alpha or beta is {number}")

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: LocalResponseAttributes = node.attributes
        x = tensor(node)
        numbers = rows_of(x) | {
            "radius": attributes.radius,
            "bias": attributes.bias,
            "alpha": attributes.alpha,
            "beta": attributes.beta,
        }
        kernel = "local_response_normalization_f32"
        return [KernelCall(node.name, node.op, kernel, numbers, {"input": x}, {"output": node.output})]
