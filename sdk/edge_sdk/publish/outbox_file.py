"""The file of an outbox: rows in SQLite, each with a checksum, in transactions that are synced before they count.

    waiting   number | stamp_us | urgent | crc | topic | data      what has to go out
    dead      number | stamp_us | reason | topic | data            what the other side will never take, the last 1000
    totals    one row: JSON and its checksum                       figures that outlive a run, in the same transactions

Write-ahead log, `synchronous=FULL`: a transaction that returned survives a power cut (SQLite's PRAGMA synchronous; with
NORMAL, four of eight cuts lost rows). SQLite sees damage to its own structure only, so each row carries the CRC-32 of
its number, topic and data. A full disk refuses deletions too, since they go through the log: a ballast file is given up
to let them through.

One thread writes, one reads, each over its own connection. Nothing here retries.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from edge_sdk.errors import BusyError
from edge_sdk.publish.outbox_options import OutboxOptions
from edge_sdk.publish.outbox_records import (
    ROW_BYTES,
    Change,
    DamagedError,
    DiskError,
    DiskFullError,
    Message,
    Outcome,
    Totals,
    sound,
)

PAGE_BYTES = 4096
BALLAST_BYTES = 1024 * 1024
#: Dead letters, and what is kept of each.
MAX_DEAD, MAX_DEAD_BYTES = 1000, 65536
#: Files up to this size are looked through at the start; damage to larger ones is found where it is met.
CHECKED_BYTES = 64 * 1024 * 1024
_VICTIMS = 256

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting(
    number INTEGER PRIMARY KEY, stamp_us INTEGER, urgent INTEGER, crc INTEGER, topic TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS dead(number INTEGER PRIMARY KEY, stamp_us INTEGER, reason TEXT, topic TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS totals(id INTEGER PRIMARY KEY, json BLOB, crc INTEGER);
"""
COLUMNS = "number, stamp_us, urgent, crc, topic, data"
INSERT = f"INSERT OR IGNORE INTO waiting({COLUMNS}) VALUES(?, ?, ?, ?, ?, ?)"


@contextmanager
def disk_faults() -> Iterator[None]:
    """Tell a disk that is gone or full from a file that is damaged."""
    try:
        yield
    except (DiskError, DamagedError):
        raise
    except sqlite3.OperationalError as fault:
        full = "full" in str(fault)
        raise (DiskFullError if full else DiskError)(str(fault)) from fault
    except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError) as fault:
        raise DamagedError(str(fault)) from fault
    except OSError as fault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (DiskFullError if full else DiskError)(fault.strerror or str(fault)) from fault


def connect(path: Path) -> sqlite3.Connection:
    """Open a file that is there already, or make its tables."""
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        db.execute("PRAGMA cache_size=-2000")
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        if db.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
            raise sqlite3.OperationalError("this file system has no room for a write-ahead log")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA journal_size_limit=4194304")
        if db.execute("SELECT count(*) FROM sqlite_schema WHERE type='table'").fetchone() != (3,):
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


def finish_replacement(path: Path) -> None:
    """Put the fresh file in the place of one that stands aside; a stale log there would be taken for its own."""
    fresh = fresh_path(path)
    if path.exists():
        fresh.unlink(missing_ok=True)
    elif fresh.exists():
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        fresh.rename(path)


def fresh_path(path: Path) -> Path:
    """Return where a file is made that will replace `path`."""
    return path.with_name(path.name + ".fresh")


class OutboxFile:
    """The file, opened by `open`; every method but `read` belongs to the writing thread.

    Attributes:
        totals: as of the last transaction.
    """

    def __init__(self, path: Path, options: OutboxOptions) -> None:
        self.path = path
        self.totals = Totals()
        self._options = options
        self._max_bytes = int(options.max_mib * 2**20)
        self._db: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._lock: int | None = None
        self._thinned = -1

    def lock(self) -> None:
        """Keep other processes out until `close`.

        Raises:
            BusyError: another one is in.
            DiskError: the folder cannot be made or written.
        """
        with disk_faults():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._beside(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                self._lock = None
                raise BusyError(
                    f"outbox {self.path}: another run uses it",
                    hint="stop the other run of this pipeline, or give one of them a `name` of its own",
                ) from None

    def open(self) -> None:
        """Open the file; make it, if need be.

        Raises:
            DiskError, DamagedError.
        """
        if self._lock is None:
            self.lock()
        with disk_faults():
            finish_replacement(self.path)
            if not self.path.exists():
                self._create()
            os.close(os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
            self._db = connect(self.path)
            try:
                # What a failed sync left behind in the log may look whole without being on the disk: write it again.
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._check(self._db)
                self.totals = read_totals(self._db) or self._counted(self._db)
            except BaseException:
                self.close_connections()
                raise
            self._sync_folder()
        self._fill_ballast()

    def commit(self, change: Change) -> Outcome:
        """Do all of it, or none; when this returns it is on the disk.

        Raises:
            DiskError, DamagedError: nothing was done.
        """
        try:
            return self._commit(change)
        except DiskFullError:
            if not self._give_up_ballast():
                raise
        return self._commit(change)

    def read(self, after: int, before: int, limit: int) -> tuple[list[Message], list[Message]]:
        """Return messages with after < number < before, oldest first, and those that are damaged; `limit` together.

        Raises:
            DiskError, DamagedError.
        """
        with disk_faults(), self._reading:
            if self._reader is None:
                self._reader = connect(self.path)
            query = f"SELECT {COLUMNS} FROM waiting WHERE number > ? AND number < ? ORDER BY number LIMIT ?"
            rows = self._reader.execute(query, (after, before, limit)).fetchall()
        found: list[Message] = []
        damaged: list[Message] = []
        for row in rows:
            message = sound(row)
            if message is not None:
                found.append(message)
            else:
                data = row[5] if isinstance(row[5], bytes) else b""
                damaged.append(Message(row[0], str(row[4]), data, durable=True, settled=True))
        return found, damaged

    def tidy(self) -> bool:
        """Give back room that is no longer needed, take back the ballast; return whether there may be more to do."""
        self._fill_ballast()
        with disk_faults():
            if self._db is None or self._db.execute("PRAGMA freelist_count").fetchone()[0] < 2 * _VICTIMS:
                return False
            self._db.execute(f"PRAGMA incremental_vacuum({_VICTIMS})").fetchall()
        return True

    def close_connections(self) -> None:
        """Close the connections, keep the lock. SQLite deletes the log by its name: no old connection may be left."""
        with self._reading:
            reader, self._reader = self._reader, None
            for db in (reader, self._db):
                if db is not None:
                    with suppress(sqlite3.Error):
                        db.close()
            self._db = None

    def close(self) -> None:
        """Close everything, and let others in."""
        self.close_connections()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # Inside a transaction.

    def _commit(self, change: Change) -> Outcome:
        if self._db is None:
            raise DiskError("the file is not open")
        before, self.totals = self.totals, msgspec.structs.replace(self.totals)
        with disk_faults():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                outcome = self._apply(self._db, change)
                write_totals(self._db, self.totals)
                self._db.execute("COMMIT")
            except BaseException:
                self.totals = before
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        return outcome

    def _apply(self, db: sqlite3.Connection, change: Change) -> Outcome:
        self._delete(db, change.gone)
        if change.dead:
            rows = [(m.number, m.stamp_us, reason, m.topic, m.data[:MAX_DEAD_BYTES]) for m, reason in change.dead]
            db.executemany("INSERT OR IGNORE INTO dead(number, stamp_us, reason, topic, data) VALUES(?,?,?,?,?)", rows)
            db.execute(
                "DELETE FROM dead WHERE number <= (SELECT number FROM dead ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (MAX_DEAD,),
            )
        outcome = self._make_room(db, change) if change.arrived else Outcome()
        if outcome.accepted:
            cursor = db.executemany(INSERT, [message.row() for message in outcome.accepted])
            if cursor.rowcount == len(outcome.accepted):
                self.totals.size_bytes += sum(message.size_bytes for message in outcome.accepted)
            else:  # a commit that was said to have failed had not: some of them are in already
                self.totals.size_bytes = self._counted(db).size_bytes
            self.totals.waiting += cursor.rowcount
            self.totals.accepted += cursor.rowcount
            self.totals.last = max(self.totals.last, *(message.number for message in outcome.accepted))
        self.totals.dead += len(change.dead)
        self.totals.damaged += change.damaged
        self.totals.dropped += change.dropped + len(outcome.refused) + len(outcome.victims)
        return outcome

    def _delete(self, db: sqlite3.Connection, gone: Sequence[Message]) -> None:
        for message in gone:
            if db.execute("DELETE FROM waiting WHERE number = ?", (message.number,)).rowcount == 1:
                self.totals.waiting -= 1
                self.totals.size_bytes -= message.size_bytes

    def _make_room(self, db: sqlite3.Connection, change: Change) -> Outcome:
        """Decide who comes in and who gives way."""
        outcome = Outcome()
        limit_bytes = self._limit_bytes()
        want = len(change.arrived), sum(message.size_bytes for message in change.arrived)
        over = (
            self.totals.waiting + want[0] - self._options.max_messages,
            self.totals.size_bytes + want[1] - limit_bytes,
        )
        if max(over) > 0 and self._options.when_full != "reject":
            outcome.victims = self._give_way(db, over, frozenset(change.spare))
        waiting, size_bytes = self.totals.waiting, self.totals.size_bytes
        # Where the old gives way to the new, the last of a batch comes in first.
        order = list(change.arrived) if self._options.when_full == "reject" else list(reversed(change.arrived))
        for message in order:
            fits = waiting < self._options.max_messages and size_bytes + message.size_bytes <= limit_bytes
            (outcome.accepted if fits else outcome.refused).append(message)
            waiting += fits
            size_bytes += message.size_bytes * fits
        outcome.accepted.sort(key=lambda message: message.number)
        return outcome

    def _give_way(self, db: sqlite3.Connection, over: tuple[int, int], spare: frozenset[int]) -> list[int]:
        """Delete so many messages and bytes, by the rule `when_full`; return the numbers."""
        messages, size_bytes = over
        victims: list[int] = []
        for number, row_bytes in self._candidates(db, spare):
            if messages <= 0 and size_bytes <= 0:
                break
            victims.append(number)
            messages, size_bytes = messages - 1, size_bytes - row_bytes
            self.totals.size_bytes -= row_bytes
        db.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number in victims])
        self.totals.waiting -= len(victims)
        return victims

    def _candidates(self, db: sqlite3.Connection, spare: frozenset[int]) -> Iterator[tuple[int, int]]:
        """Yield (number, bytes) of those that give way, the first to go first."""
        if self._options.when_full == "thin":
            seen: set[int] = set()
            for start, end in ((self._thinned, 2**62), (-1, self._thinned)):
                for place, row in enumerate(_rows_between(db, start, end, "AND urgent = 0", spare)):
                    if place % 2:  # one stays, one goes; the next call goes on behind it
                        self._thinned = row[0]
                        seen.add(row[0])
                        yield row
            self._thinned = -1
            spare = spare | seen
        yield from _rows_between(db, -1, 2**62, "", spare)

    def _limit_bytes(self) -> int:
        """Return how many bytes of messages there may be now."""
        disk = os.statvfs(self.path.parent)
        if disk.f_bavail * disk.f_frsize < self._options.reserve_mib * 2**20:
            return min(self._max_bytes, self.totals.size_bytes)
        return self._max_bytes

    # The file as a whole.

    def _create(self) -> None:
        """Make an empty file under another name first: cut in the middle, SQLite's own beginnings leave it locked."""
        new = self._beside(".new")
        for ending in ("", "-wal", "-shm", "-journal"):
            new.with_name(new.name + ending).unlink(missing_ok=True)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connect(new).close()
        new.rename(self.path)

    def _check(self, db: sqlite3.Connection) -> None:
        if self.path.stat().st_size <= CHECKED_BYTES:
            found = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != ("ok",):
                raise DamagedError(str(found[0]))

    def _counted(self, db: sqlite3.Connection) -> Totals:
        """Return the totals as far as the rows tell them."""
        size = f"coalesce(sum(length(data) + length(topic) + {ROW_BYTES}), 0)"
        last, waiting, size_bytes = db.execute(
            f"SELECT coalesce(max(number), 0), count(*), {size} FROM waiting"
        ).fetchone()
        return msgspec.structs.replace(self.totals, last=last, waiting=waiting, size_bytes=size_bytes)

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _fill_ballast(self) -> None:
        """Take the ballast again, where there is room for it; no room is no fault."""
        ballast = self._beside(".ballast")
        with suppress(OSError):
            disk = os.statvfs(self.path.parent)
            if ballast.exists() or disk.f_bavail * disk.f_frsize < 4 * BALLAST_BYTES:
                return
            handle = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(handle, 0, BALLAST_BYTES)
            finally:
                os.close(handle)

    def _give_up_ballast(self) -> bool:
        try:
            self._beside(".ballast").unlink()
        except OSError:
            return False
        return True


def _rows_between(
    db: sqlite3.Connection, after: int, before: int, also: str, spare: frozenset[int]
) -> Iterator[tuple[int, int]]:
    """Yield (number, bytes) in order, a piece at a time: rows are deleted while this goes on."""
    size = f"length(data) + length(topic) + {ROW_BYTES}"
    query = (
        f"SELECT number, {size} FROM waiting WHERE number > ? AND number < ? {also} ORDER BY number LIMIT {_VICTIMS}"
    )
    while rows := db.execute(query, (after, before)).fetchall():
        after = rows[-1][0]
        yield from (row for row in rows if row[0] not in spare)


def read_totals(db: sqlite3.Connection) -> Totals | None:
    """Return the stored figures; None when there are none, or not as they were written."""
    row = db.execute("SELECT json, crc FROM totals WHERE id = 1").fetchone()
    if row is None or not isinstance(row[0], bytes) or zlib.crc32(row[0]) != row[1]:
        return None
    try:
        return msgspec.json.decode(row[0], type=Totals)
    except msgspec.DecodeError:
        return None


def write_totals(db: sqlite3.Connection, totals: Totals) -> None:
    """Store the figures, inside the caller's transaction."""
    text = msgspec.json.encode(totals)
    db.execute("INSERT OR REPLACE INTO totals(id, json, crc) VALUES(1, ?, ?)", (text, zlib.crc32(text)))
