"""Samples as they come become windows of a fixed size, a fixed hop apart.

    samples   |====|==|=======|==========|====|
    windows   |---------|          size
                   |---------|     hop later, and so on

A window's time is the time of its first sample. Readings carry the time of *their* first sample, so each start of a
reading is kept as an anchor until no later window needs it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from edge_sdk.config import Where
from edge_sdk.dsp.base import Kernels, expect_kind
from edge_sdk.reading import Array, Frame, StreamSpec, later

MAX_SIZE = 1 << 22
OnGap = Literal["drop", "mark", "restart"]


class WindowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How samples are cut."""

    size: Annotated[int, Meta(ge=1, le=MAX_SIZE, description="samples in a window, for each channel")]
    hop: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_SIZE)] | None,
        Meta(description="samples from one window's start to the next one's; as large as the window when absent"),
    ] = None
    on_gap: Annotated[
        OnGap,
        Meta(
            description="samples are missing: mark = go on and mark the windows that contain the gap; "
            "drop = leave these windows out; restart = begin a new window after the gap"
        ),
    ] = "mark"


@dataclass(frozen=True)
class Cut:
    """One window. `gap` is true when samples are missing inside it or just before it."""

    data: Array
    time_s: float
    utc: datetime
    gap: bool


@dataclass(frozen=True)
class _Anchor:
    index: int
    time_s: float
    utc: datetime


class Windower:
    """Cuts one stream; indices count samples from the beginning of the stream (or from the last restart)."""

    def __init__(self, size: int, hop: int, on_gap: OnGap, rate_hz: float, channels: int = 1) -> None:
        self._size, self._hop, self._on_gap, self._rate_hz = size, hop, on_gap, rate_hz
        self._anchors: deque[_Anchor] = deque()
        self._gaps: deque[int] = deque()
        self._buffer: Array = np.zeros((0, channels), np.float32)
        self._begin = 0  # index of the buffer's first sample
        self._start = 0  # index of the next window's first sample

    def push(self, samples: Array, time_s: float, utc: datetime, gap: bool) -> list[Cut]:
        """Take [n, channels] samples and return the windows that they complete."""
        if gap:
            self._note_gap()
        if len(samples):
            self._anchors.append(_Anchor(self._end, time_s, utc))
            self._buffer = np.concatenate([self._buffer, samples])
        cuts = []
        while self._start + self._size <= self._end:
            if not (self._on_gap == "drop" and self._gap_inside()):
                cuts.append(self._cut())
            self._start += self._hop
            self._forget()
        return cuts

    @property
    def _end(self) -> int:
        return self._begin + len(self._buffer)

    def _note_gap(self) -> None:
        if self._on_gap == "restart":
            self._begin = self._start = 0
            self._buffer = self._buffer[:0]
            self._anchors.clear()
            self._gaps.clear()
        if not self._gaps or self._gaps[-1] != self._end:
            self._gaps.append(self._end)

    def _gap_inside(self) -> bool:
        return any(self._start < gap < self._start + self._size for gap in self._gaps)

    def _cut(self) -> Cut:
        offset = self._start - self._begin
        anchor = next(anchor for anchor in reversed(self._anchors) if anchor.index <= self._start)
        since_s = (self._start - anchor.index) / self._rate_hz if self._rate_hz > 0 else 0.0
        gap = any(self._start <= gap < self._start + self._size for gap in self._gaps)
        data = self._buffer[offset : offset + self._size].copy()
        return Cut(data, anchor.time_s + since_s, later(anchor.utc, since_s), gap)

    def _forget(self) -> None:
        """Let go of what no later window needs."""
        while len(self._anchors) > 1 and self._anchors[1].index <= self._start:
            self._anchors.popleft()
        while self._gaps and self._gaps[0] < self._start:
            self._gaps.popleft()
        done = min(self._start - self._begin, len(self._buffer))
        self._buffer = self._buffer[done:]
        self._begin += done


class WindowStep:
    """The step `window`."""

    Options = WindowOptions

    def __init__(self, options: WindowOptions, where: Where, spec: StreamSpec, kernels: Kernels | None = None) -> None:
        expect_kind(spec, ("samples",), where)
        hop = options.size if options.hop is None else options.hop
        self._windower = Windower(options.size, hop, options.on_gap, spec.rate_hz, spec.shape[1])
        self._seq = 0
        self.output = replace(spec, kind="window", shape=(options.size, *spec.shape[1:]))

    def push(self, frame: Frame) -> list[Frame]:
        """Return the windows that end in this frame, numbered from 0 without holes."""
        frames = []
        for cut in self._windower.push(frame.data, frame.time_s, frame.utc, frame.gap):
            frames.append(replace(frame, data=cut.data, seq=self._seq, time_s=cut.time_s, utc=cut.utc, gap=cut.gap))
            self._seq += 1
        return frames
