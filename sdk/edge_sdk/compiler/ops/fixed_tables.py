"""Tables of functions that the reference computes in fixed point: logistic, tanh, hard-swish, leaky relu, rsqrt, abs.

Arrays hold int64 where the reference has int16 or int32; what wraps or saturates there does so here.

tensorflow/lite/kernels/internal/reference/{hard_swish,leaky_relu}.h, integer_ops/{logistic,tanh}.h;
quantization_util.h, GetInvSqrtQuantizedMultiplierExp.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.ops.fixed_point import quantize_multiplier, scale_steps
from edge_sdk.compiler.ops.op import per_tensor, require
from edge_sdk.compiler.ops.tables import Steps, all_steps, clipped

INT16_MAX = 32767
INT32_MAX = (1 << 31) - 1
#: Real value of one step of an int16 output of logistic and tanh.
SIGMOID_STEP = 1 / 32768


def _centred(x: Value) -> Steps:
    return all_steps(x.dtype) - per_tensor(x).zero_point


def _ratio(x: Value, output: Value, factor: float = 1.0) -> float:
    """Return scale * factor / scale in float32, as the reference prepares multipliers."""
    return float(np.float32(per_tensor(x).scale) * np.float32(factor) / np.float32(per_tensor(output).scale))


@cache
def _sigmoid_ends() -> NDArray[np.int64]:
    """Return sigmoid(i / 24) * 2^16, i = 0 .. 255, each raised so that the lines between them are off both ways."""
    sigmoid = 1 / (1 + np.exp(-np.arange(256) / 24))
    curvature = sigmoid * (1 - sigmoid) * (2 * sigmoid - 1) / 24**2
    ends = np.floor((sigmoid + curvature / 16) * 65536 + 0.5).astype(np.int64)
    ends[-1] = 65535
    return ends


def _sigmoid_input(x: Value, output: Value, shifts: tuple[int, ...]) -> Steps:
    """Return every step on the scale 1 / (3 * 4096); a power of two among `shifts` is exact."""
    require(
        per_tensor(x).zero_point == 0 and per_tensor(output).zero_point == 0,
        "int16 tensors with a zero point other than 0",
    )
    scale = per_tensor(output).scale
    require(scale == SIGMOID_STEP, f"int16 output quantised with scale {scale}, expected 1/32768")
    mantissa, exponent = math.frexp(per_tensor(x).scale)
    left = 12 + exponent - 1
    if mantissa == 0.5 and left in shifts:
        return all_steps(x.dtype) * (3 << left)
    multiplier, right = per_tensor(x).scale * 4096.0 * 3.0, 0
    while multiplier <= INT16_MAX / 2 and right <= 30:
        multiplier, right = multiplier * 2, right + 1
    require(multiplier <= INT16_MAX, f"input scale {per_tensor(x).scale}")
    return (all_steps(x.dtype) * int(multiplier) + ((1 << right) >> 1)) >> right


def _sigmoid_lines(magnitude: Steps, bits: int) -> Steps:
    """Return sigmoid on the lines between its ends, with `bits` more than its 16; `magnitude` is not negative."""
    ends = _sigmoid_ends()
    index = np.minimum(magnitude >> bits, 254)
    y: Steps = (ends[index] << bits) + (magnitude & ((1 << bits) - 1)) * (ends[index + 1] - ends[index])
    return y


def logistic16(x: Value, output: Value) -> Steps:
    """Return logistic of int16."""
    real = _sigmoid_input(x, output, (0,))
    magnitude = np.abs(real)
    y = np.where(magnitude >> 9 >= 255, 0x7FFF << 10, _sigmoid_lines(magnitude, 9))
    y = np.where(real >= 0, y + (1 << 9), (1 << 25) - y + (1 << 9) - 1)
    return (y >> 10).astype(np.int16).astype(np.int64)


def tanh16(x: Value, output: Value) -> Steps:
    """Return tanh of int16: 2 sigmoid(2 x) - 1."""
    real = _sigmoid_input(x, output, (0, 1))
    magnitude = np.abs(real)
    y = np.where(magnitude >> 8 >= 255, 0xFFFF << 8, _sigmoid_lines(magnitude, 8))
    y = np.where(real >= 0, y - (1 << 23) + (1 << 7), -y + (1 << 23) + (1 << 7) - 1)
    return (y >> 8).astype(np.int16).astype(np.int64)


def _high_product(a: Steps, b: Steps | int) -> Steps:
    """Return a * b / 2^15 as int16, ties away from zero for positive and up for negative products."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    high: Steps = np.minimum(np.sign(nudged) * (np.abs(nudged) >> 15), INT16_MAX)
    return high


def _rounding_shift(x: Steps, right: int) -> Steps:
    """Return x / 2^right, ties away from zero."""
    mask = (1 << right) - 1
    return (x >> right) + ((x & mask) > (mask >> 1) + (x < 0))


def _multiplier16(real: float) -> tuple[int, int]:
    """Return (int16 multiplier, exponent) of a float32 factor."""
    multiplier, exponent = quantize_multiplier(real)
    return min((multiplier + (1 << 15)) >> 16, INT16_MAX), exponent


def hard_swish(x: Value, output: Value) -> Steps:
    """Return x * relu6(x + 3) / 6 of int8."""
    fine = np.float32(1 / 128) * np.float32(per_tensor(x).scale)
    out_multiplier, out_exponent = _multiplier16(float(fine / np.float32(per_tensor(output).scale)))
    require(out_exponent <= 0, "the output's scale is less than 1/128 of the input's")
    multiplier, exponent = _multiplier16(float(fine / (np.float32(3) / np.float32(32768))))
    value = _centred(x) << 7
    gate = clipped(value << max(exponent - 1, 0), "int16")
    gate = _high_product(gate, multiplier)
    gate = clipped(gate << (1 if exponent > 0 else 0), "int16")
    gate = _rounding_shift(gate, max(-exponent, 0))
    product = ((gate + (1 << 15)) >> 1) * _high_product(value, out_multiplier)
    coarse = np.sign(product) * (np.abs(product) >> 15)
    return clipped(_rounding_shift(coarse, -out_exponent) + per_tensor(output).zero_point, output.dtype)


def leaky_relu(x: Value, output: Value, alpha: float) -> Steps:
    """Return x, or alpha * x where it is negative."""
    require(math.isfinite(alpha), f"alpha {alpha}")
    real = _ratio(x, output, alpha)
    value = _centred(x)
    above = scale_steps(value, *quantize_multiplier(_ratio(x, output)))
    below = scale_steps(value, *quantize_multiplier(abs(real)))
    if x.dtype == "int16":
        symmetric = per_tensor(x).zero_point == 0 == per_tensor(output).zero_point
        require(symmetric, "int16 tensors with a zero point other than 0")
    y = np.where(value >= 0, above, -below if real < 0 else below)
    return clipped(y + per_tensor(output).zero_point, output.dtype)


def absolute(x: Value, output: Value) -> Steps:
    """Return abs(x)."""
    value = np.abs(_centred(x))
    if per_tensor(x).scale != per_tensor(output).scale:
        value = scale_steps(value, *quantize_multiplier(_ratio(x, output)))
    return clipped(value + per_tensor(output).zero_point, output.dtype)


def negative(x: Value, output: Value) -> Steps:
    """Return -x of the stored integers, as the reference does whatever their quantisation; the least one stays."""
    per_tensor(x), per_tensor(output)
    return (-all_steps(x.dtype)).astype(x.dtype).astype(np.int64)


def sqrt(x: Value, output: Value) -> Steps:
    """Return the root cut to a whole step, in float32; of 0 where the reference gives up, below 0."""
    real = np.float32(per_tensor(x).scale) * np.maximum(_centred(x), 0).astype(np.float32)
    steps = np.trunc(np.sqrt(real) / np.float32(per_tensor(output).scale)).astype(np.float64)
    return clipped(steps + per_tensor(output).zero_point, output.dtype)


def _saturated(x: int) -> int:
    return max(-(1 << 31), min(x, INT32_MAX))


def _product31(a: int, b: int) -> int:
    """Return a * b / 2^31, ties away from zero for positive and up for negative products."""
    product = a * b
    nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    return _saturated(int(math.copysign(abs(nudged) >> 31, nudged)))


def _inverse_root(value: int) -> tuple[int, int]:
    """Return (multiplier, left shift) of 1 / sqrt(value), five Newton steps on Q3.28; value: 1 .. 2^29 - 1."""
    if value == 1:
        return INT32_MAX, 0
    pairs = (32 - value.bit_length() - 1) // 2 - 1
    half = (value << (2 * pairs)) >> 1
    quarter = (half + 1) >> 1
    y = 1 << 28
    for _ in range(5):
        cube = _saturated(_product31(_product31(y, y), y) << 6)
        y = _saturated((_product31((1 << 28) + (1 << 27), y) - _product31(quarter, cube)) << 3)
    right = 11 - pairs
    root = _product31(y, 1518500250)  # half the square root of 2
    return (root << -right, 0) if right < 0 else (root, -right)


def rsqrt(x: Value, output: Value) -> Steps:
    """Return 1 / sqrt(x) of int8; the greatest step for 0 and, where the reference gives up, below."""
    root_scale = np.sqrt(np.float32(per_tensor(x).scale)) * np.float32(per_tensor(output).scale)
    factor, shift = quantize_multiplier(1 / float(root_scale) if root_scale else np.inf)
    answers = []
    for value in _centred(x).tolist():
        if value <= 0:
            answers.append(127)
            continue
        root, left = _inverse_root(value)
        fine = scale_steps(np.array([1], np.int64), root, left + 20)
        answers.append(int(scale_steps(fine, factor, shift - 20)[0]) + per_tensor(output).zero_point)
    return clipped(np.array(answers), output.dtype)
