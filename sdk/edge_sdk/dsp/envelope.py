"""How loud a band is over time: the way to hear a bearing, where each strike makes the housing ring.

    x --> band low_hz .. high_hz --> |analytic signal| --> / its mean - 1

The spectrum of what comes out shows how often the strikes come, whatever the pitch of the ringing. Divided by its mean
it is a modulation depth, so the sensor's gain falls out. Band-pass and analytic signal are one step on the window's
discrete Fourier transform: keep the band's positive frequencies twice, drop the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from edge_sdk.config import Where
from edge_sdk.dsp.base import Kernels, expect_kind, expect_rate
from edge_sdk.reading import Array, Frame, StreamSpec


class EnvelopeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which band, and what comes out."""

    low_hz: Annotated[float, Meta(gt=0, description="lower end of the band")]
    high_hz: Annotated[float, Meta(gt=0, description="upper end of the band; at most half the sample rate")]
    relative: Annotated[
        bool, Meta(description="divide by the window's mean and take off 1: independent of the sensor's gain")
    ] = True


def envelope(frame: Array, low: int, high: int, *, relative: bool) -> Array:
    """Return the envelope of the band of DFT bins low .. high (both inside) of each channel.

    Args:
        frame: [n, channels].
        low, high: 1 <= low <= high <= n / 2.
        relative: divide by the mean and subtract 1; a silent channel gives zeros.
    """
    spectrum = np.fft.rfft(frame.astype(np.float64), axis=0)
    analytic = np.zeros((len(frame), *frame.shape[1:]), np.complex128)
    analytic[low : high + 1] = 2 * spectrum[low : high + 1]
    level = np.abs(np.fft.ifft(analytic, axis=0))
    if relative:
        mean = level.mean(axis=0)
        level = np.divide(level, mean, out=np.ones_like(level), where=mean > 0) - 1
    return level.astype(np.float32)


class EnvelopeStep:
    """The step `envelope`: a window in, a window of the same size out."""

    Options = EnvelopeOptions

    def __init__(
        self, options: EnvelopeOptions, where: Where, spec: StreamSpec, kernels: Kernels | None = None
    ) -> None:
        expect_kind(spec, ("window",), where)
        rate_hz, size = expect_rate(spec, where), spec.shape[0]
        if options.high_hz > rate_hz / 2:
            raise where.at("high_hz").error(f"expected at most half the rate, {rate_hz / 2:g}, got {options.high_hz:g}")
        self._low = max(1, int(np.ceil(options.low_hz * size / rate_hz)))
        self._high = int(options.high_hz * size / rate_hz)
        if self._low > self._high:
            raise where.at("low_hz").error(
                f"no frequency of a window of {size} samples lies between {options.low_hz:g} and {options.high_hz:g} Hz"
            )
        self._relative = options.relative
        self.output = spec

    def push(self, frame: Frame) -> list[Frame]:
        """Return the window's envelope."""
        return [replace(frame, data=envelope(frame.data, self._low, self._high, relative=self._relative))]
