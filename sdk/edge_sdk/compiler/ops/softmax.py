"""softmax over the last dimension, with a factor `beta` on the input.

int8: exponentials in fixed point of 5 integer bits; output scale 1/256, zero point -128
(reference/softmax.h; quantization_util.cc, PreprocessSoftmaxScaling and CalculateInputRadius).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import quantize_multiplier
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    kernel_dtype,
    operands,
    per_tensor,
    require,
    require_shape,
    tensor,
)

INTEGER_BITS = 5
FRACTION_BITS = 31 - INTEGER_BITS
OUTPUT_SCALE = 1 / 256
MAX_DEPTH = 1 << 16


@dataclass(frozen=True)
class SoftmaxAttributes:
    """Attributes of softmax."""

    beta: float = 1.0


class Softmax(Op):
    """exp(beta * x) / sum(exp(beta * x))."""

    def check(self, node: Node) -> None:
        attributes: SoftmaxAttributes = node.attributes
        operands(node, 1)
        x, output = tensor(node), node.output
        require(len(x.shape) >= 1, "soft-max of a scalar")
        require_shape(output, x.shape)
        require(x.shape[-1] <= MAX_DEPTH, f"soft-max over {x.shape[-1]} elements, at most {MAX_DEPTH}")
        require(math.isfinite(attributes.beta), f"beta {attributes.beta}")
        if kernel_dtype(x, output) == "s8":
            q = per_tensor(output)
            require(
                abs(q.scale - OUTPUT_SCALE) <= 1e-3 * OUTPUT_SCALE and q.zero_point == -128,
                f"output quantised with scale {q.scale}, zero point {q.zero_point}; expected 1/256 and -128",
            )
            require(_factor(attributes.beta, x) > 1, f"beta {attributes.beta} with input scale {per_tensor(x).scale}")

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: SoftmaxAttributes = node.attributes
        x, output = tensor(node), node.output
        depth = x.shape[-1]
        numbers: dict[str, int | float] = {"rows": x.elements // depth, "depth": depth}
        dtype = kernel_dtype(x, output)
        if dtype == "s8":
            multiplier, shift = _factor_fixed_point(_factor(attributes.beta, x))
            radius = ((1 << INTEGER_BITS) - 1) * float(1 << FRACTION_BITS) / float(1 << shift)
            numbers |= {"multiplier": multiplier, "shift": shift, "diff_min": -math.floor(radius)}
        else:
            numbers["beta"] = attributes.beta
        return [
            KernelCall(
                node.name, node.op, f"softmax_{dtype}", numbers, {"input": x}, {"output": output}, in_place=("input",)
            )
        ]


def _factor(beta: float, x: Value) -> float:
    return min(beta * per_tensor(x).scale * float(1 << FRACTION_BITS), float((1 << 31) - 1))


def _factor_fixed_point(factor: float) -> tuple[int, int]:
    """Return (multiplier, left shift) of a factor above 1; the shift may be 31 here, one more than elsewhere."""
    multiplier, shift = quantize_multiplier(factor / 2)
    return multiplier, shift + 1
