"""What an outbox handles: messages, the changes of one transaction, figures that outlive a run, and what disks do."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from edge_sdk.errors import TransferError

#: What a message costs on disk beside its topic and data.
ROW_BYTES = 64


class DiskError(TransferError):
    """The disk does not take or give data now; it may later."""


class DiskFullError(DiskError):
    """There is no room, even without the ballast."""


class DamagedError(TransferError):
    """The file is not what was written."""


@dataclass(slots=True, eq=False)
class Message:
    """One message on its way.

    Attributes:
        number: never used twice on this device, and growing.
        urgent: thinned out last.
        stamp_us: UTC microseconds when it was made.
        since_s: monotonic time when it was made; -inf when an earlier run made it.
        durable: a synced transaction holds it.
        historical: it waited, so it goes out beside live ones.
        settled: delivered, dead or given up: not to be sent again.
    """

    number: int
    topic: str
    data: bytes
    urgent: bool = False
    stamp_us: int = 0
    since_s: float = float("-inf")
    durable: bool = False
    historical: bool = False
    settled: bool = False

    @property
    def size_bytes(self) -> int:
        return len(self.data) + len(self.topic) + ROW_BYTES

    @property
    def crc(self) -> int:
        return crc_of(self.number, self.topic, self.data)

    def row(self) -> tuple[object, ...]:
        return (self.number, self.stamp_us, self.urgent, self.crc, self.topic, self.data)


class Totals(msgspec.Struct, forbid_unknown_fields=True):
    """Figures over all runs."""

    last: int = 0
    """The highest number ever stored."""
    waiting: int = 0
    """Messages in the file."""
    size_bytes: int = 0
    """Their size."""
    accepted: int = 0
    """Messages that were ever stored."""
    dropped: int = 0
    """Lost because there was no room: old ones that gave way, or new ones that were refused."""
    damaged: int = 0
    """Lost because the disk did not give back what was written."""
    dead: int = 0
    """Refused by the other side for good."""


@dataclass
class Change:
    """What one transaction does.

    Attributes:
        arrived: to be stored.
        gone: delivered or dead: to be deleted.
        dead: those of `gone` that are kept aside, with the reason.
        dropped, damaged: losses that happened elsewhere, to be counted.
        spare: numbers that may not give way, because they are on their way out.
    """

    arrived: Sequence[Message] = ()
    gone: Sequence[Message] = ()
    dead: Sequence[tuple[Message, str]] = ()
    dropped: int = 0
    damaged: int = 0
    spare: Collection[int] = ()


@dataclass
class Outcome:
    """What the transaction did. `refused`: of `arrived`; `victims`: numbers of older ones that gave way."""

    accepted: list[Message] = field(default_factory=list)
    refused: list[Message] = field(default_factory=list)
    victims: list[int] = field(default_factory=list)


def crc_of(number: int, topic: str, data: bytes) -> int:
    """Return the checksum of one row."""
    return zlib.crc32(data, zlib.crc32(topic.encode("utf-8", "replace"), zlib.crc32(b"%d" % number)))


def sound(row: tuple[object, ...]) -> Message | None:
    """Return the message of a row of COLUMNS; None when the row is not what was written."""
    number, stamp_us, urgent, crc, topic, data = row
    if not (isinstance(number, int) and isinstance(topic, str) and isinstance(data, bytes)):
        return None
    if crc != crc_of(number, topic, data):
        return None
    stamp_us = stamp_us if isinstance(stamp_us, int) else 0
    return Message(number, topic, data, bool(urgent), stamp_us, durable=True, historical=True)
