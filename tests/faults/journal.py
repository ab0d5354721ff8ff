"""From a journal of writes and syncs, the disk after a power cut at any of its records.

What was synced is there. Of what was written since, any part may be: writes reach a disk in any order and in sectors,
so for each file all, none, or each sector by the toss of a coin are tried. A file that was never synced may be missing;
one that was unlinked may be back, and one that was renamed under its old name, until the folder is synced.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import preloadable

SECTOR = 512
SOURCE = Path(__file__).with_name("journal.c")
_HEAD = struct.Struct("=c7xQQQQ")
#: Rebuilt from the log at the next opening; mapped, so it is not in the journal.
_NOT_OURS = "-shm"


def environment(root: Path, pipe: Path, log: Path) -> dict[str, str]:
    """Return the variables for a program whose writes below `root` are written down."""
    names = {"EDGE_JOURNAL_ROOT": root, "EDGE_JOURNAL_PIPE": pipe, "EDGE_JOURNAL_LOG": log}
    return {"LD_PRELOAD": str(preloadable(SOURCE)), **{name: str(path.resolve()) for name, path in names.items()}}


@dataclass(frozen=True)
class Record:
    """One call; see journal.c."""

    op: str
    offset: int
    time_s: float
    name: str
    data: bytes


def records(log: Path) -> Iterator[Record]:
    with log.open("rb") as file:
        while head := file.read(_HEAD.size):
            op, offset, length, time_ns, path_length = _HEAD.unpack(head)
            name = Path(file.read(path_length).decode()).name
            data = file.read(length) if op in b"WAR" else b""
            if not name.endswith(_NOT_OURS):
                yield Record(op.decode(), offset, time_ns / 1e9, name, data)


@dataclass
class _File:
    """What is surely on the disk, and what may be. `durable` None: perhaps there is no such file."""

    durable: bytearray | None = None
    pending: list[Record] = field(default_factory=list)
    unlinked: bool = False
    old_name: str = ""


class Disk:
    """Follows the journal; `after_a_cut` makes one of the states the disk may be in now."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def follow(self, record: Record) -> None:
        file = self._files.setdefault(record.name, _File())
        match record.op:
            case "W" | "T":
                if file.unlinked:  # made anew under the same name
                    file.durable, file.pending, file.unlinked = None, [], False
                file.pending.append(record)
            case "S":
                file.durable = bytearray(file.durable or b"")
                for one in file.pending:
                    _apply(file.durable, one, one.data)
                file.pending = []
            case "U":
                file.unlinked = True
            case "R":
                self._files[Path(record.data.decode()).name] = self._files.pop(record.name)
                file.old_name = record.name
            case "D":
                del self._files[record.name]  # of the folder itself
                self._files = {name: one for name, one in self._files.items() if not one.unlinked}
                for one in self._files.values():
                    one.durable = one.durable if one.durable is not None else bytearray()
                    one.old_name = ""

    def after_a_cut(self, chance: random.Random, folder: Path) -> None:
        """Write one possible state into the folder."""
        for name, file in self._files.items():
            content = None if file.durable is None else bytearray(file.durable)
            if file.unlinked and chance.random() < 0.5:
                continue
            if content is None and chance.random() < 0.5:
                continue
            content = content if content is not None else bytearray()
            share = chance.choice((0.0, 0.5, 0.9, 1.0))
            for one in file.pending:
                if one.op == "T":
                    if chance.random() < share:
                        _apply(content, one, b"")
                    continue
                for start in range(0, len(one.data), SECTOR):
                    if chance.random() < share:
                        piece = one.data[start : start + SECTOR]
                        _apply(content, Record("W", one.offset + start, 0.0, name, piece), piece)
            place = file.old_name if file.old_name and chance.random() < 0.5 else name
            (folder / place).write_bytes(content)


def _apply(content: bytearray, record: Record, data: bytes) -> None:
    if record.op == "T":
        del content[record.offset :]
        content.extend(bytes(record.offset - len(content)))
        return
    end = record.offset + len(data)
    content.extend(bytes(max(0, end - len(content))))
    content[record.offset : end] = data
