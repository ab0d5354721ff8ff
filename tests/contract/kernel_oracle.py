"""What each kernel must compute, in numpy: integers in int64, floats in float64. Written from the formulas, not from C.

Functions take the arrays and descriptor fields of a case by the names of the family's .def, and return the output.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
INT32_MAX = 2**31 - 1


def wrap32(x: Array) -> Array:
    return (x.astype(np.int64) + 2**31) % 2**32 - 2**31


def saturate32(x: Array) -> Array:
    return np.clip(x, -(2**31), INT32_MAX)


def mbqm(x: Array, multiplier: Array, shift: Array) -> Array:
    """TFLite's MultiplyByQuantizedMultiplier with double rounding."""
    x, multiplier, shift = np.broadcast_arrays(x, np.asarray(multiplier, np.int64), np.asarray(shift, np.int64))
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    high = (wrap32(x << left) * multiplier + 2**30) >> 31
    nudged = high + ((1 << right) >> 1) - ((high < 0) & (right > 0))
    return nudged >> right


def round_away(x: Array) -> Array:
    """Half away from zero, exact: floor(|x| + 0.5) would round 0.49999999999999994 up."""
    whole = np.floor(np.abs(x))
    return np.copysign(whole + (np.abs(x) - whole >= 0.5), x)


def finish_s8(acc: Array, f: dict[str, Any]) -> Array:
    """Requantise a sum, wrapped to int32, and clamp."""
    scaled = mbqm(wrap32(acc), f["multiplier"], f["shift"]) + f["output_zero_point"]
    return np.clip(scaled, f.get("act_min", -128), f.get("act_max", 127)).astype(np.int8)


def windows(x: Array, f: dict[str, Any], fill: float) -> Array:
    """[batch, output_h, output_w, filter_h, filter_w, c]: every window of x, `fill` outside the image."""
    dilation_h, dilation_w = f.get("dilation_h", 1), f.get("dilation_w", 1)
    y = np.arange(f["output_h"])[:, None] * f["stride_h"] - f["pad_top"] + np.arange(f["filter_h"]) * dilation_h
    z = np.arange(f["output_w"])[:, None] * f["stride_w"] - f["pad_left"] + np.arange(f["filter_w"]) * dilation_w
    inside_y, inside_z = (y >= 0) & (y < x.shape[1]), (z >= 0) & (z < x.shape[2])
    cells = x[:, np.clip(y, 0, x.shape[1] - 1)][:, :, :, np.clip(z, 0, x.shape[2] - 1)]
    inside = inside_y[:, :, None, None] & inside_z[None, None]
    return np.where(inside[None, ..., None], cells, fill).transpose(0, 1, 3, 2, 4, 5)


def _bias(a: dict[str, Array]) -> Array:
    return np.asarray(a.get("bias", 0.0 if a["filter"].dtype == np.float32 else 0))


def _weights(a: dict[str, Array], f: dict[str, Any]) -> Array:
    """int8 weights without their zero point."""
    return a["filter"].astype(np.int64) - f["filter_zero_point"]


def conv2d_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    cells = windows(a["input"].astype(np.int64) - f["input_zero_point"], f, 0)
    acc = np.einsum("bhwyxc,oyxc->bhwo", cells, _weights(a, f)) + _bias(a)
    return finish_s8(acc, {**f, "multiplier": a["multiplier"], "shift": a["shift"]})


def conv2d_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    cells = windows(a["input"].astype(np.float64), f, 0)
    acc = np.einsum("bhwyxc,oyxc->bhwo", cells, a["filter"].astype(np.float64)) + _bias(a)
    return np.clip(acc, f["act_min"], f["act_max"])


def depthwise_conv2d_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x = np.repeat(a["input"].astype(np.int64) - f["input_zero_point"], f["output_c"] // f["input_c"], axis=3)
    acc = np.einsum("bhwyxc,yxc->bhwc", windows(x, f, 0), _weights(a, f)) + _bias(a)
    return finish_s8(acc, {**f, "multiplier": a["multiplier"], "shift": a["shift"]})


def depthwise_conv2d_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x = np.repeat(a["input"].astype(np.float64), f["output_c"] // f["input_c"], axis=3)
    acc = np.einsum("bhwyxc,yxc->bhwc", windows(x, f, 0), a["filter"].astype(np.float64)) + _bias(a)
    return np.clip(acc, f["act_min"], f["act_max"])


def fully_connected_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    acc = (a["input"].astype(np.int64) - f["input_zero_point"]) @ _weights(a, f).T + _bias(a)
    real = round_away(wrap32(acc).astype(np.float64) * a["scale"])
    scaled = np.clip(real, -(2.0**31), float(INT32_MAX)).astype(np.int64) + f["output_zero_point"]
    return np.clip(scaled, f["act_min"], f["act_max"]).astype(np.int8)


def fully_connected_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    acc = a["input"].astype(np.float64) @ a["filter"].astype(np.float64).T + _bias(a)
    return np.clip(acc, f["act_min"], f["act_max"])


def average_pool_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    total = windows(a["input"].astype(np.int64), f, 0).sum((3, 4))
    count = windows(np.ones_like(a["input"], np.int64), f, 0).sum((3, 4))
    mean = np.where(total > 0, (total + count // 2) // count, -((-total + count // 2) // count))
    return np.clip(mean, f["act_min"], f["act_max"]).astype(a["input"].dtype)


average_pool_s16 = average_pool_s8


def average_pool_u8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    total = windows(a["input"].astype(np.int64) + 128, f, 0).sum((3, 4))
    count = windows(np.ones_like(a["input"], np.int64), f, 0).sum((3, 4))
    return np.clip((total + count // 2) // count - 128, f["act_min"], f["act_max"]).astype(np.int8)


def average_pool_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    total = windows(a["input"].astype(np.float64), f, 0).sum((3, 4))
    count = windows(np.ones_like(a["input"], np.float64), f, 0).sum((3, 4))
    return np.clip(total / count, f["act_min"], f["act_max"])


def max_pool(a: dict[str, Array], f: dict[str, Any]) -> Array:
    lowest = -np.inf if a["input"].dtype.kind == "f" else np.iinfo(a["input"].dtype).min
    return np.clip(windows(a["input"], f, lowest).max((3, 4)), f["act_min"], f["act_max"]).astype(a["input"].dtype)


def mean_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x = a["input"].astype(np.int64) - f["input_zero_point"]
    return finish_s8(x.sum(1), f)


def mean_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    return a["input"].astype(np.float64).mean(1)


def add_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    terms = []
    for name in ("a", "b"):
        centred = (a[name].astype(np.int64) - f[f"{name}_zero_point"]) << 20
        scaled = mbqm(centred, f[f"{name}_multiplier"], f[f"{name}_shift"])
        terms.append(np.tile(scaled, f["count"] // scaled.size))
    return finish_s8(terms[0] + terms[1], f)


def add_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x, y = (np.tile(a[name], f["count"] // a[name].size) for name in ("a", "b"))
    return np.clip(x + y, f["act_min"], f["act_max"])


def quantize_f32_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    with np.errstate(over="ignore"):
        real = (a["input"] / np.float32(f["scale"])).astype(np.float64)
    q = round_away(np.clip(np.where(np.isnan(real), 0, real), -1e6, 1e6)).astype(np.int64) + f["output_zero_point"]
    return (np.clip(q, f["act_min"], f["act_max"]).astype(np.int8).view(np.uint8) ^ f["output_xor"]).view(np.int8)


def dequantize_s8_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    q = (a["input"].view(np.uint8) ^ np.uint8(f["input_xor"])).view(np.int8).astype(np.int64)
    return (np.float64(np.float32(f["scale"])) * (q - f["input_zero_point"])).astype(np.float32)


def requantize_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    q = (a["input"].view(np.uint8) ^ np.uint8(f["input_xor"])).view(np.int8).astype(np.int64)
    y = finish_s8(q - f["input_zero_point"], f)
    return (y.view(np.uint8) ^ np.uint8(f["output_xor"])).view(np.int8)


def clamp_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    return np.clip(a["input"], f["act_min"], f["act_max"])


def softmax_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x = a["input"].astype(np.float64) * f["beta"]
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def spectrum_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x = a["input"].astype(np.float64)
    if f["remove_mean"]:
        x = x - x.mean(1, keepdims=True)
    spectrum = np.fft.rfft(x * a["window"].astype(np.float64)[None, :, None], axis=1)
    power = np.abs(spectrum) ** 2 * f["power_scale"]
    edges = a["edges"]
    bands = np.stack([power[:, low:high].mean(1) for low, high in pairwise(edges)], axis=2)
    return np.log10(np.maximum(bands, f["floor"])) if f["log"] else bands


# gemmlowp's fixed point, for softmax_s8 -------------------------------------------------------------------------


def _high_mul(a: Array, b: Array) -> Array:
    """SaturatingRoundingDoublingHighMul."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    nudged = product + np.where(product >= 0, 2**30, 1 - 2**30)
    return saturate32(np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31)))


def _divide_by_power(x: Array, exponent: Array) -> Array:
    """RoundingDivideByPOT: half away from zero."""
    half = (np.int64(1) << exponent) >> 1
    return np.where(x >= 0, (x + half) >> exponent, -((-x + half) >> exponent))


def _exp_negative(a: Array) -> Array:
    """e^a for a <= 0 in Q5.26, as Q0.31 (exp_on_negative_values)."""
    rest = (a & (2**24 - 1)) - 2**24
    x = (rest << 5) + 2**28
    x2 = _high_mul(x, x)
    x3, x4 = _high_mul(x2, x), _high_mul(x2, x2)
    series = _divide_by_power(_high_mul(_divide_by_power(x4, 2) + x3, 715827883) + x2, 1)
    y = saturate32(1895147668 + _high_mul(1895147668, x + series))
    whole = rest - a
    for bit, power in enumerate((-2, -1, 0, 1, 2, 3, 4)):
        factor = round(float(np.exp(-(2.0**power))) * 2**31)
        y = np.where(whole >> (24 + bit) & 1, _high_mul(y, factor), y)
    return np.where(a == 0, INT32_MAX, y)


def softmax_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x = a["input"].astype(np.int64)
    difference = x - x.max(1, keepdims=True)
    kept = difference >= f["diff_min"]
    scaled = _high_mul(saturate32(np.where(kept, difference, 0) << f["shift"]), f["multiplier"])
    e = np.where(kept, _exp_negative(scaled), 0)
    total = np.minimum(_divide_by_power(e, 12).sum(1, keepdims=True), INT32_MAX)
    headroom = np.array([[32 - int(value).bit_length()] for value in total[:, 0]])
    half = ((total << headroom) - 2**31 + 2**31) >> 1
    r = 1515870810 + _high_mul(half, -1010580540)
    for _ in range(3):
        r = wrap32(r + saturate32(_high_mul(r, 2**29 - _high_mul(half, r)) << 2))
    y = _divide_by_power(_high_mul(saturate32(r << 1), e), 12 - headroom + 31 - 8) - 128
    return np.where(kept, np.clip(y, -128, 127), -128).astype(np.int8)
