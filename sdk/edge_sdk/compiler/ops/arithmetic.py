"""Numbers of the map kernels for pairs of quantised elements: add, sub, mul, div, squared_difference, prelu.

Each returns the operation and the descriptor's fields, or raises ModelError for what the reference refuses.

tensorflow/lite/kernels/{add,sub,mul,div,squared_difference,activations}.cc
"""

from __future__ import annotations

import math

import numpy as np

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.ops.fixed_point import quantize_multiplier, quantized_range
from edge_sdk.compiler.ops.op import per_tensor, require

Numbers = dict[str, int | float]
#: dtype -> bits of headroom that the operands of a sum are shifted up by.
SUM_LEFT = {"int8": 20, "int16": 15}
#: The same for differences that are squared.
SQUARE_LEFT = 7


def _zero_points(a: Value, b: Value, output: Value) -> Numbers:
    return {
        "a_zero_point": per_tensor(a).zero_point,
        "b_zero_point": per_tensor(b).zero_point,
        "output_zero_point": per_tensor(output).zero_point,
    }


def _clamp(output: Value, activation: str) -> Numbers:
    q = per_tensor(output)
    low, high = quantized_range(activation, q.scale, q.zero_point, output.dtype)
    return {"act_min": low, "act_max": high}


def _scaled(real: float, prefix: str = "") -> Numbers:
    multiplier, shift = quantize_multiplier(real)
    return {f"{prefix}multiplier": multiplier, f"{prefix}shift": shift}


def _below_one(real: float) -> Numbers:
    require(real < 1, f"the output's scale is too small: a factor of {real:.3g}, expected below 1")
    return _scaled(real)


def _to_common_scale(a: Value, b: Value, left: int) -> tuple[float, Numbers]:
    """Return twice the larger scale, and what brings both operands to it."""
    common = 2.0 * max(per_tensor(a).scale, per_tensor(b).scale)
    first, second = (_scaled(per_tensor(value).scale / common, f"{name}_") for name, value in (("a", a), ("b", b)))
    return common, {"left": left, **first, **second}


def log2_exact(scale: float) -> int | None:
    """Return the exponent of a power of two, within the reference's 0.001."""
    exponent = round(math.log2(scale))
    return exponent if abs(math.log2(scale) - exponent) < 1e-3 else None


def steps_sum(operation: str, a: Value, b: Value, output: Value, activation: str, powers: bool) -> tuple[str, Numbers]:
    """Return what adds or subtracts: operation is "add" or "sub", `powers` asks for shifts where scales allow."""
    if output.dtype == "int16" and powers:
        exponents = [log2_exact(per_tensor(value).scale) for value in (a, b, output)]
        if None not in exponents:
            return _shifted_sum(operation, exponents, a, b, output, activation)
    require(output.dtype in SUM_LEFT, f"{output.dtype} tensors without a scale")
    common, numbers = _to_common_scale(a, b, SUM_LEFT[output.dtype])
    numbers |= _below_one(common / ((1 << SUM_LEFT[output.dtype]) * per_tensor(output).scale))
    return f"steps_{operation}", {**numbers, **_zero_points(a, b, output), **_clamp(output, activation)}


def _shifted_sum(
    operation: str, exponents: list[int | None], a: Value, b: Value, output: Value, activation: str
) -> tuple[str, Numbers]:
    zero_points = _zero_points(a, b, output)
    require(not any(zero_points.values()), "int16 tensors with a zero point other than 0")
    first, second, last = (exponent or 0 for exponent in exponents)
    shifts = first - last, second - last
    require(max(shifts) == 0 and min(shifts) >= -15, f"int16 scales of 2^{first}, 2^{second} and, output, 2^{last}")
    require(operation == "sub" or a.shape == b.shape, "int16 operands of different shapes with scales of powers of two")
    return f"steps_shifted_{operation}", {"a_shift": shifts[0], "b_shift": shifts[1], **_clamp(output, activation)}


def steps_mul(a: Value, b: Value, output: Value, activation: str) -> tuple[str, Numbers]:
    """Return what multiplies."""
    zero_points = _zero_points(a, b, output)
    require(output.dtype != "int16" or not any(zero_points.values()), "int16 tensors with a zero point other than 0")
    scales = [np.float32(per_tensor(value).scale) for value in (a, b, output)]
    numbers = _scaled(float(scales[0] * scales[1] / scales[2]))
    return "steps_mul", {**numbers, **zero_points, **_clamp(output, activation)}


def steps_div(a: Value, b: Value, output: Value, activation: str) -> tuple[str, Numbers]:
    """Return what divides."""
    scales = [np.float32(per_tensor(value).scale) for value in (a, b, output)]
    numbers = _scaled(float(scales[0] / (scales[1] * scales[2])))
    return "steps_div", {**numbers, **_zero_points(a, b, output), **_clamp(output, activation)}


def steps_squared_difference(a: Value, b: Value, output: Value) -> tuple[str, Numbers]:
    """Return what squares a difference."""
    common, numbers = _to_common_scale(a, b, SQUARE_LEFT)
    numbers |= _below_one(common * common / ((1 << 2 * SQUARE_LEFT) * per_tensor(output).scale))
    return "steps_squared_difference", {**numbers, **_zero_points(a, b, output), **_clamp(output, "none")}


def steps_prelu(x: Value, alpha: Value, output: Value) -> tuple[str, Numbers]:
    """Return what multiplies negative elements by alpha."""
    scales = [np.float32(per_tensor(value).scale) for value in (x, alpha, output)]
    numbers = {
        **_scaled(float(scales[0] / scales[2]), "a_"),
        **_scaled(float(scales[0] * scales[1] / scales[2])),
    }
    return "steps_prelu", {**numbers, **_zero_points(x, alpha, output), **_clamp(output, "none")}
