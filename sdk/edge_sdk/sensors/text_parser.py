"""Lines of numbers on a serial line, such as `12.5,-3,0.25`: bytes in, samples out. Pure, and total over any bytes.

The first line after opening is thrown away: it may have lost its beginning and still look like numbers.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from edge_sdk.sensors.runs import Run, cut

MAX_LINE_BYTES = 4096


class TextOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a line of text looks."""

    delimiter: Annotated[str, Meta(min_length=1, max_length=4, description="text between two numbers")] = ","
    columns: Annotated[
        tuple[Annotated[int, Meta(ge=0, lt=1024)], ...], Meta(description="which columns to take, from 0; default all")
    ] = ()


class TextParser:
    """The incremental parser; the same face as FrameParser."""

    def __init__(self, options: TextOptions, channels: int) -> None:
        self._delimiter = options.delimiter
        self._columns = options.columns
        self._channels = channels
        self._buffer = b""
        self._skip = True
        self._gap = False
        self.counts = {"lines": 0, "bad_lines": 0, "dropped_bytes": 0}

    def restart(self) -> None:
        """Forget what is half received: the line was closed and opened again."""
        self.counts["dropped_bytes"] += len(self._buffer)
        self._buffer, self._skip, self._gap = b"", True, True

    def feed(self, data: bytes) -> list[Run]:
        """Take bytes from the line; return the samples that are now complete."""
        *lines, rest = (self._buffer + data).split(b"\n")
        rows: list[list[float]] = []
        breaks: list[bool] = []
        for line in lines:
            row = self._row(line)
            if row is not None:
                rows.append(row)
                breaks.append(self._gap)
                self._gap = False
        self._buffer = self._bounded(rest)
        return cut(np.array(rows, np.float64), np.array(breaks, bool)) if rows else []

    def _row(self, line: bytes) -> list[float] | None:
        if self._skip:
            self._skip = False
            self.counts["dropped_bytes"] += len(line) + 1
            return None
        if not line.strip():
            return None
        row = self._numbers(line)
        self.counts["bad_lines" if row is None else "lines"] += 1
        self._gap = self._gap or row is None
        return row

    def _numbers(self, line: bytes) -> list[float] | None:
        if len(line) > MAX_LINE_BYTES:
            return None
        try:
            cells = line.decode("ascii").strip().split(self._delimiter)
            values = (
                [float(cells[index]) for index in self._columns] if self._columns else [float(cell) for cell in cells]
            )
        except (ValueError, IndexError):  # UnicodeDecodeError is a ValueError
            return None
        return values if len(values) == self._channels and all(map(math.isfinite, values)) else None

    def _bounded(self, rest: bytes) -> bytes:
        """Never keep more than one line of noise: a line that grew too long is dropped up to its end."""
        if len(rest) <= MAX_LINE_BYTES:
            return rest
        if not self._skip:
            self.counts["bad_lines"] += 1
        self.counts["dropped_bytes"] += len(rest)
        self._skip, self._gap = True, True
        return b""
