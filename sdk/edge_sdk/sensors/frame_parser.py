"""Binary frames on a serial line: bytes in, in pieces of any size; samples out. Pure, and total over any bytes.

    | sync | payload: struct format, perhaps a counter among its fields | checksum |

Locked, frames are taken back to back, many at once. A frame that does not check loses the lock: the parser slides on
byte by byte until a whole frame fits again. Without a checksum a sync may be an accident, so the lock is only believed
when the next frame's sync follows too. How the bytes are split never changes the answer.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge_sdk.config import Where
from edge_sdk.registry import nearest
from edge_sdk.sensors.crc import CHECKSUMS, Bytes2d, Crc, Sum
from edge_sdk.sensors.runs import Raw, Run, cut

MAX_FRAME_BYTES = 16384
#: Candidates that are checked at once while the parser looks for the beat.
_SEARCH_ROWS = 1024
#: Below this many rows a checksum is faster row by row.
_FEW_ROWS = 8
_FORMAT = re.compile(r"[<>!](\d{0,5}[xbBhHiIlLqQfd])+")
_FIELD = re.compile(r"(\d*)([xbBhHiIlLqQfd])")


class FrameOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a binary frame looks."""

    format: Annotated[str, Meta(description="payload as a Python struct format with its byte order, such as <hhh")]
    sync: Annotated[str, Meta(description="bytes that begin each frame, in hexadecimal, such as a55a")] = ""
    crc: Annotated[str, Meta(description="checksum at the end: none, " + ", ".join(CHECKSUMS))] = "none"
    crc_order: Annotated[
        Literal["usual", "big", "little"],
        Meta(description="byte order of the checksum; usual = as the algorithm's devices do"),
    ] = "usual"
    crc_covers_sync: Annotated[bool, Meta(description="the checksum includes the sync bytes")] = False
    seq: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="index of the payload field that counts frames (adds 1, wraps); finds lost frames"),
    ] = None


@dataclass(frozen=True)
class FrameLayout:
    """A checked FrameOptions.

    Attributes:
        dtype: the payload as numpy sees it, runs of equal fields as one array field.
        fields: numbers in a payload, the counter included.
        counter: (index, modulus) of the counter, or None.
    """

    sync: bytes
    dtype: np.dtype[np.void]
    fields: int
    checksum: Crc | Sum | None
    big_endian: bool
    covers_sync: bool
    counter: tuple[int, int] | None

    @property
    def samples(self) -> int:
        """Numbers in a frame that are samples."""
        return self.fields - (self.counter is not None)

    @property
    def size_bytes(self) -> int:
        return len(self.sync) + self.dtype.itemsize + (self.checksum.size_bytes if self.checksum else 0)


def layout_of(options: FrameOptions, where: Where) -> FrameLayout:
    """Check the options and return the layout.

    Raises:
        ConfigError: a format, sync or checksum that cannot be meant; it names the key.
    """
    dtype, codes = _dtype(options.format, where.at("format"))
    if options.crc != "none" and options.crc not in CHECKSUMS:
        known = ["none", *CHECKSUMS]
        raise where.at("crc").error(
            f"unknown checksum {options.crc!r}{nearest(options.crc, known)} (known: {', '.join(known)})"
        )
    checksum = CHECKSUMS.get(options.crc)
    sync = _sync(options.sync, where.at("sync"))
    if not sync and checksum is None:
        raise where.error("expected sync or crc (or both): without either, the beginning of a frame cannot be found")
    big = options.crc_order == "big" or (options.crc_order == "usual" and checksum is not None and checksum.big_endian)
    return FrameLayout(sync, dtype, len(codes), checksum, big, options.crc_covers_sync, _counter(options, codes, where))


def _dtype(text: str, where: Where) -> tuple[np.dtype[np.void], str]:
    if not _FORMAT.fullmatch(text):
        raise where.error(f"expected a struct format: < or >, then b B h H i I l L q Q f d or x, got {text[:80]!r}")
    if struct.calcsize(text) > MAX_FRAME_BYTES:
        raise where.error(f"expected at most {MAX_FRAME_BYTES} bytes, got {struct.calcsize(text)}")
    order, fields, codes, offset = text[0].replace("!", ">"), [], "", 0
    for count_text, code in _FIELD.findall(text):
        count = int(count_text or 1)
        item = np.dtype(order + {"x": "u1", "l": "i4", "L": "u4"}.get(code, code))
        if code != "x" and count:
            fields.append((item, count, offset))
            codes += code * count
        offset += item.itemsize * count
    if not fields:
        raise where.error("expected at least one number in the format")
    dtype = np.dtype(
        {
            "names": [f"f{index}" for index in range(len(fields))],
            "formats": [(item, (count,)) for item, count, _ in fields],
            "offsets": [place for _, _, place in fields],
            "itemsize": offset,
        }
    )
    return dtype, codes


def _sync(text: str, where: Where) -> bytes:
    try:
        sync = bytes.fromhex(text)
    except ValueError:
        raise where.error(f"expected hexadecimal bytes such as a5 or aa55, got {text[:40]!r}") from None
    if len(sync) > 16:
        raise where.error(f"expected at most 16 bytes, got {len(sync)}")
    return sync


def _counter(options: FrameOptions, codes: str, where: Where) -> tuple[int, int] | None:
    if options.seq is None:
        return None
    if options.seq >= len(codes):
        raise where.at("seq").error(f"expected a field index below {len(codes)}, got {options.seq}")
    code = codes[options.seq]
    if code not in "BHILbhil":
        raise where.at("seq").error(f"expected an integer field of at most 4 bytes, got {code!r}")
    return options.seq, 1 << (8 * struct.calcsize("<" + code))


class FrameParser:
    """The incremental parser.

    Args:
        layout: of the frames.
        channels: numbers per sample row; the layout's samples are a multiple of it (interleaved rows).
    """

    def __init__(self, layout: FrameLayout, channels: int) -> None:
        self._layout = layout
        self._channels = channels
        self._buffer = bytearray()
        self._locked = False
        self._gap = False
        self._seq: int | None = None
        self.counts = {"frames": 0, "dropped_bytes": 0, "bad_crc": 0, "lost_frames": 0, "bad_values": 0}

    def restart(self) -> None:
        """Forget what is half received: the line was closed and opened again."""
        self.counts["dropped_bytes"] += len(self._buffer)
        self._buffer.clear()
        self._locked, self._gap, self._seq = False, True, None

    def feed(self, data: bytes) -> list[Run]:
        """Take bytes from the line; return the samples that are now complete."""
        self._buffer += data
        rows: list[Raw] = []
        breaks: list[NDArray[np.bool_]] = []
        position = 0
        while True:
            if not self._locked:
                position = self._search(position)
            if not self._locked:
                break
            frames = self._valid_frames(position)
            if len(frames):
                values, marks = self._decode(frames)
                rows.append(values)
                breaks.append(marks)
                position += len(frames) * self._layout.size_bytes
            elif len(self._buffer) - position < self._layout.size_bytes:
                break
            else:
                self._lose(position)
                position = self._drop(position, position + 1)
        del self._buffer[:position]
        return cut(np.concatenate(rows), np.concatenate(breaks)) if rows else []

    def _drop(self, position: int, to: int) -> int:
        self.counts["dropped_bytes"] += to - position
        return to

    def _lose(self, position: int) -> None:
        """The beat is lost at `position`."""
        self._locked, self._gap = False, True
        sync = self._layout.sync
        if self._layout.checksum and self._buffer[position : position + len(sync)] == sync:
            self.counts["bad_crc"] += 1

    def _search(self, position: int) -> int:
        """Return where the next believable frame begins, locked; or where to wait for more bytes, not locked."""
        return self._search_sync(position) if self._layout.sync else self._search_checksum(position)

    def _search_sync(self, position: int) -> int:
        sync, size, buffer = self._layout.sync, self._layout.size_bytes, self._buffer
        needed = size if self._layout.checksum else size + len(sync)
        while True:
            found = buffer.find(sync, position)
            if found < 0:
                return self._drop(position, max(position, len(buffer) - len(sync) + 1))
            position = self._drop(position, found)
            if len(buffer) - position < needed:
                return position
            followed = self._layout.checksum or buffer[position + size : position + needed] == sync
            if followed and self._check(self._rows(position, 1))[0]:
                self._locked = True
                return position
            position = self._drop(position, position + 1)

    def _search_checksum(self, position: int) -> int:
        size = self._layout.size_bytes
        while len(self._buffer) - position >= size:
            piece = bytes(self._buffer[position : position + size + _SEARCH_ROWS - 1])
            windows = sliding_window_view(np.frombuffer(piece, np.uint8), size)
            hits = np.flatnonzero(self._check(windows))
            if len(hits):
                self._locked = True
                return self._drop(position, position + int(hits[0]))
            position = self._drop(position, position + len(windows))
        return position

    def _rows(self, position: int, count: int) -> Bytes2d:
        size = self._layout.size_bytes
        return np.frombuffer(bytes(self._buffer[position : position + count * size]), np.uint8).reshape(count, size)

    def _valid_frames(self, position: int) -> Bytes2d:
        """Return the frames from `position` on, up to the first that does not check."""
        rows = self._rows(position, (len(self._buffer) - position) // self._layout.size_bytes)
        bad = np.flatnonzero(~self._check(rows))
        return rows[: bad[0]] if len(bad) else rows

    def _check(self, rows: Bytes2d) -> NDArray[np.bool_]:
        sync, checksum = self._layout.sync, self._layout.checksum
        good: NDArray[np.bool_] = (rows[:, : len(sync)] == np.frombuffer(sync, np.uint8)).all(axis=1)
        if checksum is None:
            return good
        covered = rows[:, 0 if self._layout.covers_sync else len(sync) : -checksum.size_bytes]
        sent = rows[:, -checksum.size_bytes :].astype(np.uint32)
        places = np.arange(checksum.size_bytes, dtype=np.uint32) * np.uint32(8)
        expected = (sent << (places[::-1] if self._layout.big_endian else places)).sum(axis=1, dtype=np.uint32)
        if len(rows) < _FEW_ROWS:
            found = np.array([checksum.of(row.tobytes()) for row in covered], np.uint32)
        else:
            found = checksum.of_rows(covered)
        return np.asarray(good & (found == expected))

    def _decode(self, frames: Bytes2d) -> tuple[Raw, NDArray[np.bool_]]:
        """Return sample rows, and at which of them something is missing before."""
        layout, start = self._layout, len(self._layout.sync)
        payload = np.ascontiguousarray(frames[:, start : start + layout.dtype.itemsize]).view(layout.dtype)[:, 0]
        values = np.concatenate([payload[name].astype(np.float64) for name in layout.dtype.names or ()], axis=1)
        marks = np.zeros(len(frames), bool)
        marks[0], self._gap = self._gap, False
        self.counts["frames"] += len(frames)
        if layout.counter:
            index, modulus = layout.counter
            marks |= self._jumps(values[:, index].astype(np.int64), modulus)
            values = np.delete(values, index, axis=1)
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            values, marks = self._without(values, marks, finite)
        rows = values.reshape(-1, self._channels)
        breaks = np.zeros(len(rows), bool)
        if len(values):
            breaks[:: len(rows) // len(values)] = marks
        return rows, breaks

    def _jumps(self, seqs: NDArray[np.int64], modulus: int) -> NDArray[np.bool_]:
        """Return where the counter did not add 1; the frames that it skipped are counted as lost."""
        before = int(seqs[0]) - 1 if self._seq is None else self._seq
        steps = np.diff(seqs, prepend=before) % modulus
        self._seq = int(seqs[-1])
        jumped: NDArray[np.bool_] = steps != 1
        self.counts["lost_frames"] += int(((steps[jumped] - 1) % modulus).sum())
        return jumped

    def _without(
        self, values: Raw, marks: NDArray[np.bool_], finite: NDArray[np.bool_]
    ) -> tuple[Raw, NDArray[np.bool_]]:
        """Drop frames with NaN or infinity: they would poison every filter after them. The next one gets the mark."""
        self.counts["bad_values"] += int((~finite).sum())
        marks = marks | np.concatenate([[False], ~finite[:-1]])
        for index in np.flatnonzero(~finite):  # a mark on a dropped row moves to the next one kept
            if marks[index] and index + 1 < len(marks):
                marks[index + 1] = True
        self._gap = self._gap or not finite[-1]
        return values[finite], marks[finite]
