"""Float weights become int8 with one scale per output channel, biases int32 of scale input * weights.

Weights are symmetric in [-127, 127], zero point 0 (TFLite 8-bit quantisation specification).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Quantization, Value

Floats = NDArray[np.float64]
WEIGHT_STEPS = 127
#: A bias of more steps than this gets coarser weights instead: it must leave the accumulator room.
MOST_BIAS_STEPS = float(1 << 30)


def quantize_weights(
    weights: NDArray[Any], axis: int, input_scale: float, bias: Floats | None
) -> tuple[NDArray[np.int8], Quantization]:
    """Return int8 weights and their quantisation, one scale per channel along `axis`.

    Args:
        bias: of each channel. One that is huge beside its weights would not fit int32 at their scale.
    """
    others = tuple(index for index in range(weights.ndim) if index != axis)
    scales = np.abs(weights.astype(np.float64)).max(axis=others) / WEIGHT_STEPS
    if bias is not None:
        scales = np.maximum(scales, np.abs(bias) / (MOST_BIAS_STEPS * input_scale))
    # A channel of zeros without a bias has no scale of its own; below float32's normal numbers precision is lost.
    scales = np.where(scales < np.finfo(np.float32).tiny, 1.0, scales).astype(np.float32)
    steps = np.rint(weights.astype(np.float64) / _along(scales, axis, weights.ndim))
    quantization = Quantization(scales, np.zeros(scales.size, np.int64), axis)
    return np.clip(steps, -WEIGHT_STEPS, WEIGHT_STEPS).astype(np.int8), quantization


def real_weights(steps: NDArray[np.int8], quantization: Quantization) -> Floats:
    """Return what int8 weights stand for."""
    return steps.astype(np.float64) * _along(quantization.scales, quantization.axis, steps.ndim)


def bias_value(name: str, bias: Floats, input_scale: float, weights: Quantization) -> Value:
    """Return the int32 constant of a bias."""
    steps = input_scale * weights.scales.astype(np.float64)
    whole = np.clip(np.rint(bias / steps), -(2**31), 2**31 - 1).astype(np.int32)
    return Value(name, "int32", bias.shape, Quantization(steps.astype(np.float32), weights.zero_points), whole)


def _along(scales: NDArray[np.float32], axis: int, rank: int) -> Floats:
    """Return the scales in a shape that repeats them over every other axis."""
    return scales.astype(np.float64).reshape([-1 if index == axis else 1 for index in range(rank)])
