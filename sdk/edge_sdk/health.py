"""What a running pipeline says about itself, once a second, to whoever watches over it.

    {"schema": 1, "pid": 812, "at_s": 5120.4, "results": 40, "p99_ms": 3.1, "sources": {"accel": ...}, ...}

`edge-sdk run` writes it to the file named by EDGE_SDK_HEALTH (beside, then renamed; usually on a memory disk), and
whoever judges a new version reads it. The reader believes nothing: a broken or hostile program may have written it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

#: Names the file; empty or absent: nobody watches.
VARIABLE = "EDGE_SDK_HEALTH"
MAX_BYTES = 64 * 1024

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class SourceHealth(Struct, frozen=True, forbid_unknown_fields=True):
    """One source."""

    readings: Count
    """Pieces of data since the start."""
    heard_s: float
    """When the last one came, on the system's monotonic clock; 0 for never."""


class SinkHealth(Struct, frozen=True, forbid_unknown_fields=True):
    """One sink."""

    delivered: Count
    """Results the other side has acknowledged (MQTT: PUBACK), or written where nobody acknowledges."""
    waiting: Count
    """Results kept until they can be delivered."""


class HealthReport(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    schema: Literal[1]
    pid: Count
    started_s: float
    """When the sources were open, on the system's monotonic clock."""
    at_s: float
    """When this was written, on the same clock."""
    results: Count
    """Results since the start."""
    p99_ms: float
    """From the arrival of the data to the result, 99th percentile of the last 1000; 0 without results."""
    faults: Count
    """Failed inferences."""
    sources: dict[str, SourceHealth]
    sinks: dict[str, SinkHealth]
    restarts: Count = 0
    """Models that were opened anew after a fault: a fresh instance, or a fresh process of another runtime."""


def write_health(path: Path, report: HealthReport) -> None:
    """Replace the file; a reader sees the old or the new report. Not fsynced: after a power cut nobody asks for it.

    Raises:
        OSError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{report.pid}")
    try:
        beside.write_bytes(msgspec.json.encode(report))
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def read_health(path: Path) -> HealthReport | None:
    """Return the report, or None where there is none that makes sense."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        data = os.read(handle, MAX_BYTES + 1)
        return None if len(data) > MAX_BYTES else msgspec.json.decode(data, type=HealthReport)
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    finally:
        os.close(handle)
