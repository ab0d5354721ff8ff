"""Samples from a recording (npz, csv, wav), at real time, N times as fast, or as fast as the pipeline takes them.

A replay is not live: it waits for the pipeline, so nothing is ever dropped, and the same file gives the same results at
every speed. Times are those of the recording: the start, plus the sample's number divided by its rate.
"""

from __future__ import annotations

import csv
import time
import warnings
import wave
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge_sdk.config import Where
from edge_sdk.errors import ConfigError, EdgeError, InputError
from edge_sdk.reading import Reading, StreamSpec, later
from edge_sdk.registry import nearest
from edge_sdk.sensors.array_file import MAX_ARRAY_BYTES, open_binary, read_npz
from edge_sdk.sensors.base import Channel, RateHz, Scaling, channels_or_default, samples_spec
from edge_sdk.units import utc_now

BATCH_S = 0.05
#: Rows per reading when there is no clock to keep.
FAST_ROWS = 4096
#: Each becomes a float64, whatever it was in the file.
MAX_SAMPLES = MAX_ARRAY_BYTES // 8
Raw = NDArray[np.float64]


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A recording."""

    file: Annotated[str, Meta(min_length=1, description=".npz, .csv or .wav, relative to the pipeline file")]
    rate_hz: Annotated[
        RateHz | None, Meta(description="samples per second and channel; needed unless the file says it (wav)")
    ] = None
    speed: Annotated[float, Meta(ge=0, le=1e6, description="1 = real time, N = N times as fast, 0 = no waiting")] = 1.0
    loop: Annotated[bool, Meta(description="begin again at the end; the seam is marked as a gap")] = False
    array: Annotated[str | None, Meta(description="npz: name of the array, [n] or [n, channels]")] = None
    columns: Annotated[
        tuple[str | Annotated[int, Meta(ge=0, lt=10000)], ...],
        Meta(description="csv: names or numbers (from 0) of columns; npz and wav: numbers; default all"),
    ] = ()
    channels: Annotated[
        tuple[Channel, ...], Meta(description="names, units and scales; default one plain channel per column")
    ] = ()


class ReplaySource:
    """The row `replay` of SENSORS. The file is read when the pipeline is built, so its shape is known then."""

    Options = ReplayOptions
    live = False

    def __init__(
        self,
        options: ReplayOptions,
        where: Where,
        source_id: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = options
        self._id = source_id
        self._monotonic = monotonic
        self._pause = pause
        raw, names, file_rate_hz = _read(where.resolve(options.file), options, where)
        rate_hz = options.rate_hz or file_rate_hz
        if rate_hz is None:
            raise where.at("rate_hz").error(f"this key is missing; {Path(options.file).name} does not say its rate")
        if len(raw) == 0:
            raise where.at("file").error(f"{options.file} holds no samples")
        self._rate_hz = rate_hz
        channels = options.channels or tuple(Channel(name=name) for name in names)
        self._channels = channels_or_default(channels, raw.shape[1], where)
        if len(self._channels) != raw.shape[1]:
            raise where.at("channels").error(f"expected {raw.shape[1]}, one per column, got {len(self._channels)}")
        scaling = Scaling(self._channels)
        self._samples, self._units = scaling.apply(raw), scaling.units
        self._batch = FAST_ROWS if options.speed == 0 else max(1, int(rate_hz * options.speed * BATCH_S))
        self._start_s = 0.0
        self._start_utc: datetime = utc_now()
        self._position = 0
        self._delivered = 0

    @property
    def output(self) -> StreamSpec:
        return samples_spec(self._channels, self._rate_hz)

    @property
    def ended(self) -> bool:
        return self._position >= len(self._samples) and not self._options.loop

    @property
    def started_s(self) -> float:
        """Monotonic time of the recording's first sample, since `open`."""
        return self._start_s

    def open(self) -> None:
        self._start_s, self._start_utc = self._monotonic(), utc_now()
        self._position = self._delivered = 0

    def read(self, timeout_s: float) -> Reading | None:
        """Return the next rows once their time has come."""
        if self.ended:
            return None
        seam = self._position >= len(self._samples)
        if seam:
            self._position = 0
        rows = self._samples[self._position : self._position + self._batch]
        if not self._due(self._delivered + len(rows), timeout_s):
            self._position = len(self._samples) if seam else self._position
            return None
        offset_s = self._delivered / self._rate_hz
        self._position += len(rows)
        self._delivered += len(rows)
        utc = later(self._start_utc, offset_s)
        return Reading(rows, self._start_s + offset_s, utc, self._rate_hz, seam, self._id, self._units)

    def close(self) -> None:
        self._position = self._position if self._options.loop else len(self._samples)

    def counts(self) -> Mapping[str, int]:
        return {}

    def _due(self, count: int, timeout_s: float) -> bool:
        """Whether sample number `count` has been taken; waits up to `timeout_s` for it."""
        if self._options.speed == 0:
            return True
        due_s = self._start_s + count / (self._rate_hz * self._options.speed)
        wait_s = due_s - self._monotonic()
        if wait_s > 0:
            self._pause(min(wait_s, timeout_s))
        return wait_s <= timeout_s


def _read(path: Path, options: ReplayOptions, where: Where) -> tuple[Raw, list[str], float | None]:
    """Return the raw samples [n, columns], the columns' names where the file has them, and its rate."""
    readers = {".csv": _read_csv, ".npz": _read_npz, ".wav": _read_wav}
    if path.suffix.lower() not in readers:
        raise where.at("file").error(f"expected a .npz, .csv or .wav file, got {options.file!r}")
    if options.array is not None and path.suffix.lower() != ".npz":
        raise where.at("array").error("only .npz files have named arrays")
    try:
        raw, names, rate_hz = readers[path.suffix.lower()](path, options)
    except EdgeError as fault:
        key = "array" if isinstance(fault, ConfigError) and path.suffix.lower() == ".npz" else "file"
        raise type(fault)(f"{where.at(key)}: {fault.message}", hint=fault.hint) from fault
    if not np.isfinite(raw).all():
        row = int(np.flatnonzero(~np.isfinite(raw).all(axis=1))[0])
        raise where.at("file").error(f"expected finite numbers; row {row} of {options.file} has one that is not")
    return raw, names, rate_hz


def _pick(raw: Raw, options: ReplayOptions) -> Raw:
    if not options.columns:
        return raw
    for column in options.columns:
        if not isinstance(column, int) or column >= raw.shape[1]:
            raise InputError(f"columns: expected numbers below {raw.shape[1]}, got {column!r}")
    return raw[:, [column for column in options.columns if isinstance(column, int)]]


def _read_npz(path: Path, options: ReplayOptions) -> tuple[Raw, list[str], float | None]:
    array = read_npz(path, options.array)
    if array.ndim not in (1, 2):
        raise InputError(
            f"{options.array or path.name}: expected the shape [n] or [n, channels], got {list(array.shape)}"
        )
    if array.size > MAX_SAMPLES:
        raise InputError(f"{path}: {array.size} samples, at most {MAX_SAMPLES} are replayed")
    return _pick(np.atleast_2d(array.T).T.astype(np.float64), options), [], None


def _read_wav(path: Path, options: ReplayOptions) -> tuple[Raw, list[str], float | None]:
    """PCM with 8, 16, 24 or 32 bits; full scale becomes -1 .. 1."""
    with open_binary(path) as file:
        try:
            with wave.open(file) as sound:
                width, channels, rate_hz = sound.getsampwidth(), sound.getnchannels(), sound.getframerate()
                count = sound.getnframes() * channels
                if count > MAX_SAMPLES:
                    raise InputError(f"{path}: {count} samples, at most {MAX_SAMPLES} are replayed")
                data = sound.readframes(sound.getnframes())
        except (wave.Error, EOFError, ValueError, RuntimeError) as fault:
            raise InputError(f"{path}: not a PCM wav file: {fault}") from fault
    if width not in (1, 2, 3, 4) or rate_hz <= 0 or channels <= 0:
        raise InputError(f"{path}: expected PCM of 8 to 32 bits, got {8 * width} bits")
    data = data[: len(data) // (width * channels) * width * channels]
    items = np.frombuffer(data, np.uint8).reshape(-1, width)
    if width == 1:
        values = items[:, 0].astype(np.float64) - 128
    else:  # into the top bytes of an int32, so that the sign comes along
        padded = np.zeros((len(items), 4), np.uint8)
        padded[:, 4 - width :] = items
        values = (padded.view("<i4")[:, 0] >> (32 - 8 * width)).astype(np.float64)
    raw = (values / (1 << (8 * width - 1))).reshape(-1, channels)
    return _pick(raw, options), [], float(rate_hz)


def _read_csv(path: Path, options: ReplayOptions) -> tuple[Raw, list[str], float | None]:
    """Comma-separated numbers, with or without a line of names."""
    with open_binary(path) as file:
        if path.stat().st_size > MAX_ARRAY_BYTES:
            raise InputError(f"{path}: larger than {MAX_ARRAY_BYTES >> 20} MiB")
        first = file.readline(1 << 20)
    try:
        head = next(csv.reader([first.decode("utf-8-sig")]), [])
    except (UnicodeDecodeError, csv.Error) as fault:
        raise InputError(f"{path}: not a text file: {fault}") from fault
    named = not all(map(_is_number, head))
    chosen = [_column(column, head, named) for column in options.columns] or list(range(len(head)))
    if not head:
        raise InputError(f"{path}: the first line is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns about no rows; the caller raises
            raw = np.loadtxt(
                path,
                np.float64,
                comments=None,
                delimiter=",",
                skiprows=int(named),
                usecols=chosen,
                ndmin=2,
                encoding="utf-8-sig",
            )
    except (ValueError, UnicodeDecodeError, IndexError) as fault:
        raise InputError(f"{path}: {fault}") from fault
    names = [head[index].strip() for index in chosen] if named else []
    return raw, names if all(names) and len(set(names)) == len(names) else [], None


def _column(column: str | int, head: list[str], named: bool) -> int:
    if isinstance(column, int):
        if column >= len(head):
            raise InputError(f"columns: expected numbers below {len(head)}, got {column}")
        return column
    names = [name.strip() for name in head] if named else []
    if column not in names:
        known = ", ".join(names) or "the file has no line of names"
        raise InputError(f"columns: there is no column {column!r}{nearest(column, names)} ({known})")
    return names.index(column)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
