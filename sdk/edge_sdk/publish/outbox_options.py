"""The options of an outbox, and where its file lies.

$STATE_DIRECTORY (a service), or $XDG_STATE_HOME/edge-sdk, or ~/.local/state/edge-sdk
outbox/
press-7-0.db            what waits for sinks[0] of pipeline press-7 (SQLite), with -wal and -shm beside it
press-7-0.db.lock       held while a run uses it
press-7-0.db.ballast    room for the day the disk is full
press-7-0.db.damaged-1  a file that could not be trusted, after all that was sound was copied out of it
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_sdk.config import Where


class OutboxOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where results wait until the other side has confirmed them."""

    durable: Annotated[bool, Meta(description="on disk, and synced, before a result goes out; false: in memory")] = True
    path: Annotated[str, Meta(description="the file; default outbox/{name}-{sink}.db in the state folder")] = ""
    max_mib: Annotated[
        float, Meta(ge=0.1, le=1_000_000, description="messages together; the file may grow to twice as much")
    ] = 256.0
    max_messages: Annotated[int, Meta(ge=10, le=100_000_000, description="messages that may wait")] = 1_000_000
    when_full: Annotated[
        Literal["drop_oldest", "reject", "thin"],
        Meta(description="what gives way: the oldest; the new one; every second one of what waits, alarms last"),
    ] = "drop_oldest"
    ram_messages: Annotated[
        int, Meta(ge=10, le=1_000_000, description="kept in memory while the disk is gone; the oldest go first")
    ] = 10_000
    reserve_mib: Annotated[
        float, Meta(ge=0, le=1_000_000, description="of the disk that stays free: with less, the outbox counts as full")
    ] = 64.0
    backlog_rate_hz: Annotated[
        float, Meta(ge=0, le=1e6, description="messages a second of what waited, beside live ones; 0 = no limit")
    ] = 1000.0
    commit_ms: Annotated[
        float, Meta(ge=0, le=10_000, description="collect so long before each sync, to spare a worn SD card")
    ] = 0.0
    accepted_log: Annotated[
        str, Meta(description="file or pipe that gets a line with the id of each message once it is on disk")
    ] = ""


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what outlives a run (XDG Base Directory 0.8; systemd.exec(5), STATE_DIRECTORY)."""
    variables = os.environ if environment is None else environment
    service = variables.get("STATE_DIRECTORY", "").split(":")[0]
    if service:
        return Path(service)
    base = variables.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "edge-sdk"
    return Path(variables.get("HOME") or "/var/lib") / ".local/state/edge-sdk"


def outbox_path(options: OutboxOptions, where: Where, pipeline: str) -> Path | None:
    """Return the file of this sink's outbox; None: none on disk."""
    if not options.durable:
        return None
    if options.path:
        return where.at("path").resolve(options.path)
    number = re.search(r"sinks\[(\d+)\]", where.key)
    return state_folder() / "outbox" / f"{pipeline}-{number[1] if number else 0}.db"
