"""The receipt: what was done to which device by whom, kept on the device and on the operator's machine.

Neither clock is trusted: both times stand there with what is known of them, and `manifest_sha256` says which bundle it
was without any clock.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from edge_sdk.errors import EdgeError
from edge_sdk.units import rfc3339, utc_now, utf8
from firmware_tools.flash.journal import state_home
from firmware_tools.sign import durable

Outcome = Literal["running", "on trial", "waiting for a boot", "reverted", "rolled back", "failed"]
#: 2024-01-01: a clock before that was never set.
SANE_S = 1_704_067_200


class StepDone(Struct, frozen=True):
    """A step that was carried out."""

    id: str
    seconds: float


class Receipt(Struct, frozen=True):
    """All of it."""

    schema: Literal[1]
    target: str
    board: str
    app: str
    version: str
    slot: str
    manifest_sha256: str
    operator: str
    """user@host."""
    utc: str
    """By the operator's clock."""
    clock: str
    """Of the device: "ok", "not set" or "unknown"."""
    outcome: Outcome
    reason: str
    """Why it was not kept; empty otherwise."""
    bytes_sent: int
    steps: tuple[StepDone, ...]


def operator() -> str:
    """Return user@host of whoever runs this."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = str(os.getuid())
    return utf8(f"{user}@{socket.gethostname()}")[:200]


def clock_state(utc_s: int) -> str:
    """Return what a device's clock is worth; 0: nobody could tell."""
    return "unknown" if utc_s <= 0 else "ok" if utc_s >= SANE_S else "not set"


def keep(receipt: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Path:
    """Write a receipt down on this machine and return where.

    Raises:
        AccessDeniedError, TransferError: it cannot be written.
    """
    folder = state_home(environment) / "receipts"
    stamp = re.sub(r"[^0-9A-Z]", "", rfc3339(utc_now()))
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{receipt['target']}-{receipt['app']}-{receipt['slot']}").strip("-.")
    path = folder / f"{stamp}-{words[:150]}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        durable.write(path, json.dumps(dict(receipt), indent=2).encode() + b"\n", 0o600)
    except OSError as fault:
        if isinstance(fault, EdgeError):
            raise
        raise durable.write_error(path, fault) from fault
    return path
