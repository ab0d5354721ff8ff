"""How a real factor becomes integers: TFLite's requantisation constants, exact to the bit.

`multiplier * 2^(shift - 31)` approximates the factor; the kernels apply it with two roundings (MBQM in
kernels/common/fixed_point.h). Scales are float32 in the model and are widened to float64 before any product.

tensorflow/lite/kernels/internal/quantization_util.cc, QuantizeMultiplier; kernel_util.cc, activation ranges.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.ops.op import require

INT8_MIN, INT8_MAX = -128, 127
#: Name of a fused activation -> (least, greatest) real value.
ACTIVATIONS: dict[str, tuple[float, float]] = {
    "none": (-math.inf, math.inf),
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "relu_0_to_1": (0.0, 1.0),
    "relu_n1_to_1": (-1.0, 1.0),
}
FLOAT32_MAX = float(np.finfo(np.float32).max)
#: Bounds of floats that have none.
UNLIMITED: dict[str, int | float] = {"act_min": -FLOAT32_MAX, "act_max": FLOAT32_MAX}
#: Largest left shift a kernel takes.
MAX_SHIFT = 30


def round_half_away(x: float) -> int:
    """Return the nearest integer, halves away from zero: C's round()."""
    return math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5)


def quantize_multipliers(real: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (multiplier, shift) of each factor; factors are not negative.

    Raises:
        ModelError: a factor is no number, or so large that it needs a left shift above 30.
    """
    require(bool(np.isfinite(real).all()), "the ratio of its scales is no number")
    fraction, shift = np.frexp(real)
    multiplier = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)  # a product with a power of two is exact
    carried = multiplier == 1 << 31
    multiplier = np.where(carried, 1 << 30, multiplier)
    shift = np.where(carried, shift + 1, shift)
    vanishing = (shift < -31) | (multiplier == 0)
    multiplier = np.where(vanishing, 0, multiplier)
    shift = np.where(vanishing, 0, shift)
    require(bool((shift <= MAX_SHIFT).all()), "the ratio of its scales is 2^30 or more")
    return multiplier.astype(np.int32), shift.astype(np.int32)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return (multiplier, shift) of one factor."""
    multiplier, shift = quantize_multipliers(np.array([real], np.float64))
    return int(multiplier[0]), int(shift[0])


def mean_multiplier(real: float, count: int) -> tuple[int, int]:
    """Return (multiplier, shift) of real / count, divided in integers as reference/reduce.h does."""
    multiplier, shift = quantize_multiplier(real)
    up = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << up) // count, shift - up


def float32_ratio(a: float, b: float) -> float:
    """Return a / b as float32 has it, which may be infinite."""
    with np.errstate(over="ignore"):
        return float(np.float32(a) / np.float32(b))


def quantized_range(activation: str, scale: float, zero_point: int, dtype: str = "int8") -> tuple[int, int]:
    """Return (act_min, act_max) in steps of the dtype; the division is float32, as the reference's."""
    low, high = ACTIVATIONS[activation]
    info = np.iinfo(dtype)

    def step(real: float) -> int:
        steps = float32_ratio(real, scale)
        return zero_point + round_half_away(min(max(steps, -1e9), 1e9))  # a tiny scale makes it infinite

    act_min = info.min if math.isinf(low) else max(info.min, step(low))
    act_max = info.max if math.isinf(high) else min(info.max, step(high))
    return act_min, act_max


def float_range(activation: str) -> tuple[float, float]:
    """Return (act_min, act_max) of a float kernel; finite, as the reference's."""
    low, high = ACTIVATIONS[activation]
    return max(low, -FLOAT32_MAX), min(high, FLOAT32_MAX)


def round_half_away_array(x: NDArray[Any]) -> NDArray[Any]:
    """Return `round_half_away` of each element, still floating."""
    rounded: NDArray[Any] = np.trunc(x + np.copysign(np.asarray(0.5, x.dtype), x))
    return rounded


def scale_steps(x: NDArray[np.int64], multiplier: int, shift: int) -> NDArray[np.int64]:
    """Return x * multiplier * 2^(shift - 31) as MultiplyByQuantizedMultiplier does: two roundings, int32 throughout."""
    left, right = max(shift, 0), max(-shift, 0)
    shifted = (x << left).astype(np.int32).astype(np.int64)
    high = (shifted * multiplier + (1 << 30)) >> 31
    if right == 0:
        return high
    return (high + (1 << (right - 1)) - (high < 0)) >> right
