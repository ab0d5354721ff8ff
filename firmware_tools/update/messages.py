"""What the two sides say to each other: the answers of the device's verbs, as types.

Over the wire they are JSON objects. Fields may be added; a reader ignores what it does not know.
"""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from msgspec import Meta, Struct

from firmware_tools.sign.store import MAX_COUNTER
from firmware_tools.update.state import Failure, Kind

#: Rises when an older side could misunderstand a newer one.
PROTOCOL = 1

Text = Annotated[str, Meta(max_length=4096)]
Phase = Literal["absent", "running", "stopped", "trial", "waiting for a boot"]


class Slot(Struct, frozen=True):
    """A version on the device."""

    id: Text
    version: Text
    counter: int
    manifest_sha256: Text


class AppStatus(Struct, frozen=True):
    """An application on the device."""

    name: Text
    phase: Phase
    """trial: being judged now. waiting for a boot: a trial that nobody has started (a folder, not a machine)."""
    current: Text
    """The slot that runs, or would."""
    confirmed: Slot | None
    previous: Slot | None
    trial: Slot | None
    kind: Kind
    attempts: int
    failures: tuple[Failure, ...]
    pid: int
    """Of the service, 0 for none."""
    verdict: Text
    """One sentence: healthy, or what is missing."""
    results: int
    p99_ms: Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]  # finite
    memory_mib: int
    delivered: int
    waiting: int


class DeviceFacts(Struct, frozen=True):
    """What an operator needs to plan."""

    protocol: int
    sdk: Text
    board: Text
    statement: Text
    arch: Text
    compatible: tuple[Text, ...]
    ram_mib: int
    boot: Text
    """A row of BOOT."""
    running: bool
    """Whether this is a machine whose services can be restarted, rather than a folder."""
    trust_version: int
    """Of the trust root; 0 for none."""
    agent: Text
    """The site of the device's side; "" for the system's packages."""
    sites: tuple[Text, ...]
    apps: tuple[AppStatus, ...]
    counters: dict[str, Annotated[int, Meta(ge=0, le=MAX_COUNTER)]]
    """Application -> newest counter accepted."""
    utc: Text
