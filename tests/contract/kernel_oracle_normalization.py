"""What the normalising kernels must compute, in numpy: floats by their definition, fixed point as gemmlowp has it.

Of the fixed-point logarithm and the table look-up only the result's value is checked here, to a step; the conformance
cases hold them to the reference's bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Fields = dict[str, Any]


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _real(a: dict[str, Array], f: Fields) -> Array:
    """The input as real numbers: Q5.26 to one step."""
    return a["input"].astype(np.float64) * f["multiplier"] * 2.0 ** (f["shift"] - 31 - 26)


def softmax_s8_s16(a: dict[str, Array], f: Fields) -> Array:
    return np.clip(np.round(_softmax(_real(a, f)) * 65536), 0, 65535) - 32768


def softmax_s16(a: dict[str, Array], f: Fields) -> Array:
    x = a["input"].astype(np.float64) * f["multiplier"] * 2.0 ** (f["shift"] - 31) * 10 / 65535
    return np.clip(np.round(_softmax(x) * 32768), 0, 32767)


def log_softmax_s8(a: dict[str, Array], f: Fields) -> Array:
    return np.clip(np.round(np.log(_softmax(_real(a, f))) * 16) + 127, -128, 127)


def log_softmax_f32(a: dict[str, Array], f: Fields) -> Array:
    return np.log(_softmax(a["input"].astype(np.float64)))


def l2_normalization_s8(a: dict[str, Array], f: Fields) -> Array:
    x = a["input"].astype(np.float64) - f["zero_point"]
    length = np.sqrt((x**2).sum(1, keepdims=True))
    return np.clip(np.round(x / np.maximum(length, 1) * 128), -128, 127)


def l2_normalization_f32(a: dict[str, Array], f: Fields) -> Array:
    x = a["input"].astype(np.float64)
    return x / np.maximum(np.sqrt((x**2).sum(1, keepdims=True)), 1e-6)


def local_response_normalization_f32(a: dict[str, Array], f: Fields) -> Array:
    x = a["input"].astype(np.float64)
    sums = [(x[:, max(0, i - f["radius"]) : i + f["radius"]] ** 2).sum(1) for i in range(f["depth"])]
    return x * (f["bias"] + f["alpha"] * np.stack(sums, axis=1)) ** -f["beta"]
