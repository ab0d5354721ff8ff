"""A damaged file gives up what is sound: it is put aside, and its messages move to a fresh one.

Rows are read from both ends until a page cannot be read, then over the hole in growing steps; each must have the
checksum it was written with. A first page that is gone (the header, and where the tables begin) is taken from the fresh
file, in which it is the same. The last two damaged files stay, for whoever wants to look.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from edge_sdk.publish.outbox_file import (
    COLUMNS,
    INSERT,
    PAGE_BYTES,
    connect,
    disk_faults,
    finish_replacement,
    fresh_path,
    read_totals,
    write_totals,
)
from edge_sdk.publish.outbox_records import Message, Totals, sound

KEPT_FILES = 2
_CHUNK = 500
_FIRST, _LAST = -1, 2**62


def salvage(path: Path, rescued: list[Message], expected: Totals | None) -> tuple[int, int, bool]:
    """Replace the file by one with all that is sound.

    Args:
        path: not open anywhere.
        rescued: messages that are in memory still; they are stored too.
        expected: the figures of the last transaction, if they are known; else the file's own count.

    Returns:
        messages saved, messages lost, and whether that number is exact (else it is a lower bound).

    Raises:
        DiskError: there is no room for a fresh file, or the disk is gone; the damaged file is where it was.
    """
    fresh = fresh_path(path)
    with disk_faults():
        for name in _with_log(fresh):
            name.unlink(missing_ok=True)
        try:
            with closing(connect(fresh)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                found = _old_totals(path, fresh)
                expected = expected or found
                totals = msgspec.structs.replace(expected or Totals(), waiting=0, size_bytes=0)
                _store(db, rescued, totals)
                new = totals.waiting if expected is None else sum(one.number > expected.last for one in rescued)
                _move(path, db, totals)
                lost = max(0, expected.waiting + new - totals.waiting) if expected else 0
                totals.damaged += lost
                write_totals(db, totals)
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:
            for name in _with_log(fresh):
                name.unlink(missing_ok=True)
            raise
        _put_aside(path)
        finish_replacement(path)
    return totals.waiting, lost, expected is not None


def _with_log(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]


def _put_aside(path: Path) -> None:
    """Rename the file and its log; keep the last few of those that stand aside."""
    taken = _damaged(path)
    number = max((int(one.name.rpartition("-")[2]) for one in taken), default=0) + 1
    aside = path.with_name(f"{path.name}.damaged-{number}")
    for name, new in zip(_with_log(path), _with_log(aside), strict=True):
        with suppress(FileNotFoundError):
            name.rename(new)
    for one in [*taken, aside][:-KEPT_FILES]:
        for name in _with_log(one):
            name.unlink(missing_ok=True)


def _damaged(path: Path) -> list[Path]:
    found = (one for one in path.parent.glob(f"{path.name}.damaged-*") if one.name.rpartition("-")[2].isdigit())
    return sorted(found, key=lambda one: int(one.name.rpartition("-")[2]))


def _old_totals(damaged: Path, fresh: Path) -> Totals | None:
    """Return the figures of the damaged file, repairing its first page if nothing can be read without it."""
    for repair in (None, _lend_first_page):
        if repair is not None:
            repair(damaged, fresh)
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(damaged, isolation_level=None)) as db:
            db.execute("SELECT number FROM waiting LIMIT 1").fetchall()
            with suppress(sqlite3.DatabaseError):
                return read_totals(db)
            return None
    return None


def _lend_first_page(damaged: Path, fresh: Path) -> None:
    """Write the fresh file's first page over the damaged one's (file format, section 1.3: offsets 28 to 39)."""
    with fresh.open("rb") as file:
        page = bytearray(file.read(PAGE_BYTES))
    size = damaged.stat().st_size
    if len(page) < PAGE_BYTES or size < PAGE_BYTES:
        return
    page[28:32] = (size // PAGE_BYTES).to_bytes(4, "big")
    page[32:40] = bytes(8)  # no list of free pages
    with damaged.open("r+b") as file:
        file.write(page)
        os.fsync(file.fileno())


def _move(damaged: Path, fresh: sqlite3.Connection, totals: Totals) -> None:
    with closing(sqlite3.connect(damaged, isolation_level=None)) as db:
        db.execute("PRAGMA cell_size_check=ON")
        chunk: list[Message] = []
        for row in _rows(db):
            message = sound(row)
            if message is None:
                continue
            chunk.append(message)
            if len(chunk) == _CHUNK:
                _store(fresh, chunk, totals)
                chunk = []
        _store(fresh, chunk, totals)
        for dead in _until_damage(db, "SELECT number, stamp_us, reason, topic, data FROM dead", ()):
            fresh.execute("INSERT OR IGNORE INTO dead(number, stamp_us, reason, topic, data) VALUES(?,?,?,?,?)", dead)


def _store(fresh: sqlite3.Connection, messages: list[Message], totals: Totals) -> None:
    """Store them and the figures in one transaction; those that are there already count once."""
    fresh.execute("BEGIN IMMEDIATE")
    for message in messages:
        if fresh.execute(INSERT, message.row()).rowcount == 1:
            totals.waiting += 1
            totals.size_bytes += message.size_bytes
            totals.last = max(totals.last, message.number)
    write_totals(fresh, totals)
    fresh.execute("COMMIT")


def _rows(db: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """Yield every row that can be read."""
    low, high = _FIRST, _LAST
    for row in _until_damage(db, f"SELECT {COLUMNS} FROM waiting ORDER BY number", ()):
        low = row[0]
        yield row
    for row in _until_damage(db, f"SELECT {COLUMNS} FROM waiting WHERE number > ? ORDER BY number DESC", (low,)):
        high = row[0]
        yield row
    if high == _LAST:
        return
    step = 1
    while (low := low + step) < high:
        before = low
        query = f"SELECT {COLUMNS} FROM waiting WHERE number > ? AND number < ? ORDER BY number"
        for row in _until_damage(db, query, (low, high)):
            low = row[0]
            yield row
        step = 1 if low > before else 2 * step


def _until_damage(db: sqlite3.Connection, query: str, bounds: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    with suppress(sqlite3.DatabaseError, OverflowError, UnicodeDecodeError):
        yield from db.execute(query, bounds)
