"""softmax over the last dimension, with a factor `beta` on the input.

int8: exponentials in fixed point of 5 integer bits; output int8 of scale 1/256 or int16 of 1/65536, lowest step 0
(reference/softmax.h; quantization_util.cc, PreprocessSoftmaxScaling and CalculateInputRadius). int16: e^x and
1 / (1 + x) between 513 points of a table, output scale 1/32768 (activations.cc; internal/common.h, LUTPopulate).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import quantize_multiplier, round_half_away
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    operands,
    per_tensor,
    require,
    require_shape,
    tensor,
)
from edge_sdk.errors import ModelError

INTEGER_BITS = 5
FRACTION_BITS = 31 - INTEGER_BITS
MAX_DEPTH = 1 << 16
#: With 16 bits, or fixed point that must not overflow.
MAX_WIDE_DEPTH = 1 << 15


@dataclass(frozen=True)
class Form:
    """What soft-max does with (input dtype, output dtype), and the only quantisation its output may have."""

    kernel: str
    most: int
    scale: float = 0.0
    zero_point: int = 0


FORMS = {
    ("float32", "float32"): Form("softmax_f32", MAX_DEPTH),
    ("int8", "int8"): Form("softmax_s8", MAX_DEPTH, 1 / 256, -128),
    ("int8", "int16"): Form("softmax_s8_s16", MAX_WIDE_DEPTH, 1 / 65536, -32768),
    ("int16", "int16"): Form("softmax_s16", MAX_WIDE_DEPTH, 1 / 32768, 0),
}
#: Straight lines that stand for a function of 16 bits.
LINES = 512
#: e^x below this counts for nothing.
LEAST_EXPONENT = -10.0


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
        form = FORMS.get((x.dtype, output.dtype))
        if form is None:
            raise ModelError(f"{x.dtype} to {output.dtype} tensors")
        check_row(node, form.most)
        require(math.isfinite(attributes.beta), f"beta {attributes.beta}")
        if form.scale:
            require_steps(output, form.scale, form.zero_point)
            per_tensor(x)
        if x.dtype == "int8":
            require(output.dtype == "int16" or x.unsigned == output.unsigned, "int8 and uint8 tensors")
            require(factor(attributes.beta, x) > 1, f"beta {attributes.beta} with input scale {per_tensor(x).scale}")
        elif x.dtype == "int16":
            require(per_tensor(x).zero_point == 0, f"int16 input with zero point {per_tensor(x).zero_point}")
            require(attributes.beta > 0, f"beta {attributes.beta}")
            quantize_multiplier(_table_factor(attributes.beta, x))

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: SoftmaxAttributes = node.attributes
        x, output = tensor(node), node.output
        kernel = FORMS[x.dtype, output.dtype].kernel
        numbers, constants = rows_of(x), {}
        if x.dtype == "int8":
            numbers |= fixed_point_numbers(attributes.beta, x)
        elif x.dtype == "int16":
            multiplier, shift = quantize_multiplier(_table_factor(attributes.beta, x))
            numbers |= {"multiplier": multiplier, "shift": shift}
            constants = {"exponentials": table_of_exponentials(), "reciprocals": table_of_reciprocals()}
        else:
            numbers["beta"] = attributes.beta
        in_place = ("input",) if x.dtype == output.dtype else ()
        return [KernelCall(node.name, node.op, kernel, numbers, {"input": x}, {"output": output}, constants, in_place)]


def check_row(node: Node, most: int) -> None:
    """Raise ModelError unless the output has the input's shape, whose last dimension is `most` at the most."""
    x = tensor(node)
    require(len(x.shape) >= 1, "a scalar")
    require_shape(node.output, x.shape)
    require(x.shape[-1] <= most, f"{x.shape[-1]} elements to set against each other, at most {most}")


def require_steps(output: Value, scale: float, zero_point: int) -> None:
    """Raise ModelError unless the output has this quantisation, in int8 steps."""
    q = per_tensor(output)
    require(
        abs(q.scale - scale) <= 1e-3 * scale and q.zero_point == zero_point,
        f"output quantised with scale {q.scale}, zero point {q.zero_point}; expected 1/{1 / scale:g} and {zero_point}",
    )


def rows_of(x: Value) -> dict[str, int | float]:
    """Return the numbers `rows` and `depth` of a kernel that takes the last dimension as a row."""
    return {"rows": x.elements // x.shape[-1], "depth": x.shape[-1]}


def fixed_point_numbers(beta: float, x: Value) -> dict[str, int | float]:
    """Return factor, shift and the least difference that counts, for exponentials in Q5.26."""
    multiplier, shift = quantize_multiplier(factor(beta, x) / 2)
    shift += 1  # it may be 31 here, one more than elsewhere
    radius = ((1 << INTEGER_BITS) - 1) * float(1 << FRACTION_BITS) / float(1 << shift)
    return {"multiplier": multiplier, "shift": shift, "diff_min": -math.floor(radius)}


def factor(beta: float, x: Value) -> float:
    """Return what one step of the input is in Q5.26."""
    return min(beta * per_tensor(x).scale * float(1 << FRACTION_BITS), float((1 << 31) - 1))


def _table_factor(beta: float, x: Value) -> float:
    """Return how many of the table's 65535 steps one step of the input is."""
    return float(np.float32(per_tensor(x).scale) * np.float32(beta)) / (-LEAST_EXPONENT / 65535.0)


@cache
def table_of_exponentials() -> NDArray[np.int16]:
    """Return the line ends of e^x for x = LEAST_EXPONENT .. 0."""
    return _line_ends(LEAST_EXPONENT, 0.0, math.exp)


@cache
def table_of_reciprocals() -> NDArray[np.int16]:
    """Return the line ends of 1 / (1 + x) for x = 0 .. 1."""
    return _line_ends(0.0, 1.0, lambda x: 1.0 / (1.0 + x))


def _line_ends(low: float, high: float, function: Callable[[float], float]) -> NDArray[np.int16]:
    """Return the ends of LINES straight lines, in steps of 2 / 65535, moved so that each is off both ways."""
    step, inverse = (high - low) / LINES, 65536 / 2.0
    ends = []
    for index in range(LINES):
        sample = round_half_away(function(low + index * step) * inverse)
        middle = round_half_away((function(low + (index + 1) * step) * inverse + sample) / 2)
        error = middle - round_half_away(function(low + index * step + step / 2) * inverse)
        ends.append(sample - round_half_away(error / 2))
    ends.append(round_half_away(function(high) * inverse))
    return np.clip(ends, -32768, 32767).astype(np.int16)
