"""The results of a golden test on disk: one JSON object per line (NDJSON), the same for the same results.

    {"step":"alarm","seq":0,"label":"healthy","score":0.99609375,"alarm":false,"gap":false,"stale":false,"values":[...]}

Nine digits tell every float32 from its neighbours. A number that is not finite is written as null.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from edge_sdk.errors import AccessDeniedError, ConfigError, TargetNotFoundError
from edge_sdk.reading import Result

MAX_FILE_BYTES = 256 << 20

_encoder = msgspec.json.Encoder()


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """What is compared of one result."""

    step: str
    seq: int
    label: str
    score: float | None
    alarm: bool
    gap: bool
    stale: bool
    values: tuple[float | None, ...]


_decoder = msgspec.json.Decoder(Row)


def row_of(result: Result) -> Row:
    """Return the part of a result that does not depend on the time or the machine."""
    values = tuple(_number(float(value)) for value in result.values.reshape(-1))
    score = None if result.score is None else _number(result.score)
    return Row(result.step, result.seq, result.label, score, result.alarm, result.gap, result.stale, values)


def encode_rows(rows: Iterable[Row]) -> bytes:
    """Return the file."""
    return b"".join(_encoder.encode(row) + b"\n" for row in rows)


def read_rows(path: Path, hint: str = "") -> tuple[Row, ...]:
    """Read such a file.

    Raises:
        TargetNotFoundError: it is not there; `hint` says how to make it.
        AccessDeniedError: it may not be read.
        ConfigError: it is not one; the message names the line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise TargetNotFoundError(f"{path}: no such file; the results were never recorded", hint=hint) from None
    except PermissionError:
        raise AccessDeniedError(f"{path}: may not be read", hint=f"chmod u+r {path}") from None
    except OSError as fault:
        raise TargetNotFoundError(f"{path}: cannot be read: {fault.strerror}") from fault
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
    return tuple(_decoded(line, f"{path}:{number}", hint) for number, line in enumerate(data.splitlines(), 1))


def _decoded(line: bytes, place: str, hint: str) -> Row:
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise ConfigError(f"{place}: not a recorded result: {fault}", hint=hint) from None


def _number(value: float) -> float | None:
    return float(f"{value:.9g}") if math.isfinite(value) else None
