"""A window becomes the log power of its frequency bands: the kernel `spectrum_f32` works, this makes its tables.

    (x - mean) / RMS --> x window --> real FFT --> |X|^2 * power_scale --> mean over each band --> log10

The power is scaled by 1 / sum(window^2): white noise of variance v has the power v in each band, whatever the window
and its size. `kernels/spectrum/spectrum.def` defines the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge_sdk.config import Where
from edge_sdk.dsp.base import Kernels, expect_kind, expect_rate
from edge_sdk.reading import Array, Frame, StreamSpec

#: What the kernel takes: a power of two between these.
MIN_SIZE, MAX_SIZE = 16, 32768

Bands = Annotated[int, Meta(ge=1, le=MAX_SIZE // 2 + 1)]
Edges = Annotated[list[float], Meta(min_length=2)]
Shape = Literal["blackman", "hamming", "hann", "none"]
Spacing = Literal["linear", "log"]


class SpectrumOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which bands of which spectrum."""

    bands: Annotated[Bands | Edges, Meta(description="number of bands, or their edges in Hz, ascending")] = 64
    window: Annotated[Shape, Meta(description="shape that the samples are multiplied with")] = "hann"
    spacing: Annotated[Spacing, Meta(description="of the edges, when bands is a number")] = "linear"
    min_hz: Annotated[float, Meta(ge=0, description="lower end of the first band, when bands is a number")] = 0.0
    max_hz: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="upper end of the last band, when bands is a number; half the sample rate when absent"),
    ] = None
    remove_mean: Annotated[bool, Meta(description="take off the window's mean first")] = True
    normalise: Annotated[
        Literal["none", "rms"],
        Meta(description="rms = divide the window by its RMS, so that the sensor's gain falls out"),
    ] = "none"
    log: Annotated[bool, Meta(description="decimal logarithm of the power")] = True
    floor: Annotated[float, Meta(gt=0, description="least power before the logarithm")] = 1e-12


def window_table(shape: Shape, size: int) -> NDArray[np.float32]:
    """Return the periodic form of a window (its period is `size`), which suits a DFT."""
    angle = 2 * np.pi * np.arange(size) / size
    terms = {"none": (1.0,), "hann": (0.5, -0.5), "hamming": (0.54, -0.46), "blackman": (0.42, -0.5, 0.08)}[shape]
    return sum(term * np.cos(order * angle) for order, term in enumerate(terms)).astype(np.float32)  # type: ignore[union-attr]


def twiddle_table(size: int) -> NDArray[np.float32]:
    """Return float32 [size / 2, 2]: cos and -sin of 2 pi i / size."""
    angle = 2 * np.pi * np.arange(size // 2) / size
    return np.stack([np.cos(angle), -np.sin(angle)], axis=1).astype(np.float32)


def band_edges(options: SpectrumOptions, size: int, rate_hz: float, where: Where) -> NDArray[np.uint32]:
    """Return the first DFT bin of each band, and one past the last bin of the last band.

    Raises:
        ConfigError: edges that do not ascend, lie outside 0 .. rate / 2, or leave a band without any frequency.
    """
    nyquist_hz, step_hz = rate_hz / 2, rate_hz / size
    if isinstance(options.bands, int):
        return _even_edges(options, options.bands, size, rate_hz, where)
    edges_hz = np.array(options.bands, np.float64)
    if not (np.all(np.diff(edges_hz) > 0) and edges_hz[0] >= 0 and edges_hz[-1] <= nyquist_hz):
        raise where.at("bands").error(f"expected ascending edges between 0 and {nyquist_hz:g} Hz (half the rate)")
    edges = np.ceil(edges_hz / step_hz - 1e-9).astype(np.int64)
    if edges_hz[-1] == nyquist_hz:
        edges[-1] = size // 2 + 1
    empty = np.flatnonzero(np.diff(edges) < 1)
    if len(empty):
        low_hz, high_hz = edges_hz[empty[0]], edges_hz[empty[0] + 1]
        raise where.at("bands").error(
            f"no frequency lies between {low_hz:g} and {high_hz:g} Hz; "
            f"a window of {size} samples at {rate_hz:g} Hz has one every {step_hz:g} Hz"
        )
    return edges.astype(np.uint32)


def _even_edges(options: SpectrumOptions, bands: int, size: int, rate_hz: float, where: Where) -> NDArray[np.uint32]:
    nyquist_hz = rate_hz / 2
    max_hz = nyquist_hz if options.max_hz is None else options.max_hz
    if not options.min_hz < max_hz <= nyquist_hz:
        raise where.at("max_hz").error(
            f"expected more than min_hz = {options.min_hz:g} and at most half the rate, {nyquist_hz:g}, got {max_hz:g}"
        )
    low = int(np.ceil(options.min_hz * size / rate_hz - 1e-9))
    high = int(max_hz * size / rate_hz + 1e-9) + 1
    if bands > high - low:
        raise where.at("bands").error(
            f"expected at most {high - low} bands: a window of {size} samples has so many frequencies between "
            f"{options.min_hz:g} and {max_hz:g} Hz; got {bands}"
        )
    if options.spacing == "linear":
        edges = np.round(np.linspace(low, high, bands + 1)).astype(np.int64)
    else:
        edges = np.round(np.geomspace(max(low, 1), high, bands + 1)).astype(np.int64)
        edges[0] = low
    # A logarithmic band may be narrower than one bin: push its neighbours up, then back below the end.
    for index in range(1, bands + 1):
        edges[index] = max(edges[index], edges[index - 1] + 1)
    for index in range(bands, 0, -1):
        edges[index] = min(edges[index], high - (bands - index))
    return edges.astype(np.uint32)


@dataclass(frozen=True)
class SpectrumPlan:
    """The tables and scalars of one kind of window; `apply` is the step without frames.

    Attributes:
        size, channels: of the windows.
    """

    size: int
    channels: int
    window: NDArray[np.float32]
    twiddle: NDArray[np.float32]
    edges: NDArray[np.uint32]
    normalise: bool
    fields: dict[str, Any]

    @classmethod
    def make(cls, options: SpectrumOptions, spec: StreamSpec, where: Where) -> SpectrumPlan:
        """Check the options against the input and compute the tables."""
        expect_kind(spec, ("window",), where)
        size, channels = spec.shape[0], spec.shape[1]
        if not MIN_SIZE <= size <= MAX_SIZE or size & (size - 1):
            raise where.at("input").error(
                f"expected windows of a power of two between {MIN_SIZE} and {MAX_SIZE} samples, got {size}"
            )
        window = window_table(options.window, size)
        fields = {
            "remove_mean": int(options.remove_mean),
            "log": int(options.log),
            "power_scale": float(1 / np.sum(window.astype(np.float64) ** 2)),
            "floor": options.floor,
        }
        edges = band_edges(options, size, expect_rate(spec, where), where)
        return cls(size, channels, window, twiddle_table(size), edges, options.normalise == "rms", fields)

    @property
    def bands(self) -> int:
        return len(self.edges) - 1

    def apply(self, kernels: Kernels, windows: Array) -> Array:
        """Return float32 [frames, channels, bands] of float32 [frames, size, channels]."""
        if self.normalise:
            windows = _unit_rms(windows, remove_mean=bool(self.fields["remove_mean"]))
        frames = len(windows)
        found = kernels.call(
            "spectrum_f32",
            inputs={"input": windows, "window": self.window, "twiddle": self.twiddle, "edges": self.edges},
            outputs={"output": ((frames, self.channels, self.bands), "float32")},
            frames=frames,
            channels=self.channels,
            frame_size=self.size,
            bands=self.bands,
            **self.fields,
        )
        return found["output"]


def _unit_rms(windows: Array, *, remove_mean: bool) -> Array:
    wide = windows.astype(np.float64)
    if remove_mean:
        wide -= wide.mean(axis=1, keepdims=True)
    rms = np.sqrt(np.mean(wide**2, axis=1, keepdims=True))
    return np.divide(wide, rms, out=np.zeros_like(wide), where=rms > 0).astype(np.float32)


class SpectrumStep:
    """The step `spectrum`: a window in, float32 [channels, bands] out."""

    Options = SpectrumOptions

    def __init__(
        self, options: SpectrumOptions, where: Where, spec: StreamSpec, kernels: Kernels | None = None
    ) -> None:
        self.plan = SpectrumPlan.make(options, spec, where)
        self._kernels = kernels
        self.output = replace(spec, kind="features", shape=(self.plan.channels, self.plan.bands), rate_hz=0.0)

    def push(self, frame: Frame) -> list[Frame]:
        """Return the features of one window."""
        if self._kernels is None:
            raise RuntimeError("a spectrum step without kernels can be checked but not run")
        return [replace(frame, data=self.plan.apply(self._kernels, frame.data[None])[0])]
