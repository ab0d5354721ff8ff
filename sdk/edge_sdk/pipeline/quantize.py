"""Real numbers to a model's integers and back: q = round(x / scale) + zero_point, halves away from zero (as TFLite)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.reading import Array
from edge_sdk.tensor import TensorSpec

QUANTIZED = ("int8", "uint8", "int16")


def takes_real_numbers(spec: TensorSpec) -> bool:
    """Whether `to_tensor` and `from_tensor` know this tensor."""
    return spec.dtype == "float32" or (spec.dtype in QUANTIZED and spec.scale > 0)


def to_tensor(values: Array, spec: TensorSpec) -> NDArray[Any]:
    """Return the values in the tensor's shape and dtype; NaN becomes real 0, what is too large the nearest end."""
    shaped = np.nan_to_num(values.reshape(spec.shape))
    if spec.dtype == "float32":
        return np.ascontiguousarray(shaped, np.float32)
    with np.errstate(over="ignore"):  # infinity saturates like any number that is too large
        scaled = shaped / np.float32(spec.scale)
    limits = np.iinfo(spec.dtype)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + spec.zero_point
    return np.asarray(np.clip(rounded, limits.min, limits.max), spec.dtype)


def from_tensor(array: NDArray[Any], spec: TensorSpec) -> Array:
    """Return the real numbers of a tensor, flat."""
    flat = np.asarray(array.reshape(-1), np.float32)
    if spec.dtype == "float32":
        return flat
    return np.asarray((flat - np.float32(spec.zero_point)) * np.float32(spec.scale), np.float32)
