"""The contract of a sensor, and what all sensors share: channels with units, counts, a clock for samples.

    source.open()
    while not source.ended:
        reading = source.read(timeout_s=0.2)      # None: nothing yet
    source.close()

A source is used by one thread at a time. `open` raises what the user must mend (no such port, no permission); `read`
keeps going through what the world does (noise, an unplugged cable) and marks the next reading with `gap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge_sdk.config import Where
from edge_sdk.reading import Array, Reading, StreamSpec

MAX_CHANNELS = 256
MAX_RATE_HZ = 10_000_000.0

Name = Annotated[str, Meta(min_length=1, max_length=64)]
RateHz = Annotated[float, Meta(gt=0, le=MAX_RATE_HZ)]


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One column of samples: value = raw * scale + offset, in `unit`."""

    name: Annotated[Name, Meta(description="name of the channel")]
    unit: Annotated[str, Meta(description="unit of the value after scaling, for example g")] = ""
    scale: Annotated[float, Meta(description="value of one raw step")] = 1.0
    offset: Annotated[float, Meta(description="value of raw 0")] = 0.0


class Source(Protocol):
    """A sensor. Plug-in classes take `(options, where, source_id)` and have the struct `Options`."""

    #: A live source cannot wait: when the pipeline is slow, its oldest readings are dropped and the next has a gap.
    live: bool

    @property
    def output(self) -> StreamSpec: ...

    @property
    def ended(self) -> bool:
        """No reading will ever come again."""

    def open(self) -> None: ...

    def read(self, timeout_s: float) -> Reading | None:
        """Return the next samples, or None when there are none within `timeout_s`."""

    def close(self) -> None: ...

    def counts(self) -> Mapping[str, int]:
        """Return what went wrong so far, by name, for people: dropped bytes, bad checksums..."""


def channels_or_default(channels: Sequence[Channel], count: int, where: Where) -> tuple[Channel, ...]:
    """Return the channels as written, or `count` plain ones named ch0, ch1... when none are written."""
    if not channels:
        return tuple(Channel(name=f"ch{index}") for index in range(count))
    names = [channel.name for channel in channels]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise where.at("channels").at(index).at("name").error(f"{name!r} is already the name of another channel")
    if len(channels) > MAX_CHANNELS:
        raise where.at("channels").error(f"expected at most {MAX_CHANNELS} channels, got {len(channels)}")
    return tuple(channels)


def samples_spec(channels: Sequence[Channel], rate_hz: float) -> StreamSpec:
    """Return the spec of a source's stream."""
    names = tuple(channel.name for channel in channels)
    return StreamSpec("samples", (0, len(names)), rate_hz, names, source_rate_hz=rate_hz)


class Scaling:
    """Raw counts to values, all channels at once."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._scale = np.array([channel.scale for channel in channels], np.float64)
        self._offset = np.array([channel.offset for channel in channels], np.float64)
        self.units = tuple(channel.unit for channel in channels)

    def apply(self, raw: NDArray[np.float64]) -> Array:
        """Return float32 [n, channels]; too large values are clipped to float32's range."""
        limit = float(np.finfo(np.float32).max)
        with np.errstate(over="ignore"):  # infinity is clipped like any number that is too large
            return np.ascontiguousarray(np.clip(raw * self._scale + self._offset, -limit, limit), np.float32)


class SampleClock:
    """Gives each block of samples the time of its first sample.

    Blocks arrive late and in bursts, samples are taken evenly: so count samples from an anchor, follow the arrival
    times slowly, and set a new anchor only when both disagree by more than `tolerance_s`.
    """

    def __init__(self, rate_hz: float, tolerance_s: float = 0.25) -> None:
        self._rate_hz = rate_hz
        self._tolerance_s = tolerance_s
        self._next_s: float | None = None
        self.resets = 0

    def restart(self) -> None:
        """Forget the anchor, after a gap."""
        self._next_s = None

    def stamp(self, now_s: float, count: int) -> float:
        """Return the time of the first of `count` samples of which the last has just arrived."""
        seen_s = now_s - (count - 1) / self._rate_hz
        if self._next_s is not None and abs(seen_s - self._next_s) > self._tolerance_s:
            self._next_s = None
            self.resets += 1
        first_s = seen_s if self._next_s is None else self._next_s + 0.01 * (seen_s - self._next_s)
        self._next_s = first_s + count / self._rate_hz
        return first_s
