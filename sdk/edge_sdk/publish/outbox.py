"""What is accepted is on disk: messages wait here, in order, until the other side has confirmed them.

A writer thread commits at once when it is idle; what arrives meanwhile goes into the next transaction, so that the disk
sets the pace and one sync serves many. A message is *accepted* when its transaction is synced, and goes out only then.
At most WINDOW messages are out: sent, or confirmed but not yet deleted. That is how many a crash can send twice.

While the disk is gone or full, messages are kept in memory, in a ring, and go out from there; the newest win. When it
comes back, what still waits is committed. Nothing here blocks or raises in `put`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from edge_sdk.errors import BusyError
from edge_sdk.publish.outbox_file import OutboxFile
from edge_sdk.publish.outbox_options import OutboxOptions
from edge_sdk.publish.outbox_queue import OutboxQueue
from edge_sdk.publish.outbox_records import DamagedError, DiskError, Message, Totals
from edge_sdk.publish.outbox_salvage import salvage

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 1024 * 1024
#: After a failure of the disk.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
IDLE_S = 1.0
CLOSE_S = 30.0

Clock = Callable[[], float]


class Outbox:
    """A queue that survives.

        outbox = Outbox(path, OutboxOptions(), ready=doorbell.ring)
        outbox.open()
        outbox.put(Message(outbox.number(), topic, data))     # the producer
        for message in outbox.take(20): send(message)         # the sender, a single thread
        outbox.settle(message)                                # it was confirmed

    Args:
        path: the file; None: in memory only.
        ready: called, by any thread, when `take` may have something; must be quick.
    """

    def __init__(
        self, path: Path | None, options: OutboxOptions, ready: Callable[[], None], monotonic: Clock = time.monotonic
    ) -> None:
        self._options = options
        self._ready = ready
        self._monotonic = monotonic
        self._file = OutboxFile(path, options) if path is not None else None
        self._queue = OutboxQueue(options.ram_messages, options.backlog_rate_hz)
        # A plain lock: a signal's exception cannot come between taking it and the `with` that gives it back.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._last = 0
        self._totals = Totals()
        self._accepted_before: int | None = None
        self._said = 0
        self._problem = ""
        self._suspect = ""
        self._pause_s, self._retry_s = FIRST_PAUSE_S, 0.0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._accepted_log: int | None = None

    def open(self) -> None:
        """Open the file and start writing; a disk that is not there is an alarm, no error.

        Raises:
            BusyError: another process holds the file.
        """
        self._last = time.time_ns() // 1000
        if self._file is None:
            self._queue.has_disk = False
            return
        try:
            self._file.lock()
            self._open(self._file)
        except DamagedError as fault:
            self._suspect = str(fault)
        except DiskError as fault:
            self._alarm(self._file, str(fault))
        self._thread = threading.Thread(
            target=self._run, args=(self._file,), name=f"outbox {self._file.path.name}", daemon=True
        )
        self._thread.start()

    def number(self) -> int:
        """Return the next number; never one that a message of this device has had.

        It starts above the highest that was stored and above the clock's microseconds: one of the two is right.
        """
        with self._lock:
            self._last += 1
            return self._last

    def put(self, message: Message) -> None:
        """Take a message; the order of the calls is that of the messages."""
        message.since_s = self._monotonic()
        with self._lock:
            if message.size_bytes > MAX_MESSAGE_BYTES:
                self._queue.drop(message)
            else:
                self._queue.put(message)
            has_disk = self._queue.has_disk
            self._changed.notify_all()
        self._complain()
        if not has_disk:
            self._ready()

    def take(self, room: int, reserve: int = 0) -> list[Message]:
        """Return up to `room` messages to be sent now: live ones first, then those that waited, as fast as they may.

        Args:
            reserve: so much of the room is for live ones only.
        """
        with self._lock:
            taken, piece = self._queue.take(room, reserve, self._monotonic())
        if piece is None or self._file is None:
            return taken
        try:
            found, damaged = self._file.read(piece.after, piece.before, piece.limit)
        except DamagedError as fault:
            with self._lock:
                self._suspect = str(fault)
                self._changed.notify_all()
            return taken
        except DiskError as fault:
            log.warning("outbox %s: cannot be read now: %s", self._file.path, fault)
            with self._lock:
                self._queue.pause_backlog(self._monotonic() + FIRST_PAUSE_S)
            return taken
        with self._lock:
            taken += self._queue.was_read(piece, found, damaged)
            if damaged:
                self._changed.notify_all()
        if damaged:
            log.error("outbox %s: messages damaged on disk, and lost: %d", self._file.path, len(damaged))
        return taken

    def settle(self, messages: Iterable[Message], *, dead: str = "") -> None:
        """Let go of messages that were taken: they were delivered, or `dead` says why they never will be."""
        with self._lock:
            for message in messages:
                self._queue.settle(message, dead)
            self._changed.notify_all()

    def put_back(self, messages: Iterable[Message]) -> None:
        """Take back messages that were taken, and perhaps sent, but not confirmed."""
        with self._lock:
            self._queue.put_back(messages)

    def wait_s(self) -> float:
        """Return how long to wait until `take` may have more without `ready` being called."""
        with self._lock:
            return self._queue.wait_s(self._monotonic())

    @property
    def waiting(self) -> int:
        """Messages that are not confirmed."""
        with self._lock:
            return self._queue.waiting

    @property
    def kept(self) -> int:
        """Those of them that are on disk."""
        with self._lock:
            return self._queue.kept

    @property
    def problem(self) -> str:
        """What is wrong with the disk, "" for nothing."""
        return self._problem

    @property
    def totals(self) -> Totals:
        """Figures over all runs, as of the last transaction."""
        return self._totals

    def counts(self) -> Mapping[str, int]:
        """Return the figures of this run, and what waits now; `kept` of it is on disk, for the next run."""
        with self._lock:
            queue = self._queue
            return {
                "accepted": self._totals.accepted - (self._accepted_before or 0),
                "dropped": queue.dropped,
                "damaged": queue.damaged,
                "dead": queue.dead,
                "waiting": queue.waiting,
                "kept": queue.kept,
            }

    def close(self) -> None:
        """Commit what arrived and what is gone, and let go of the file. The sender has stopped by now."""
        if self._thread is not None:
            with self._lock:
                self._closing = True
                self._changed.notify_all()
            self._thread.join(CLOSE_S)
            self._thread = None
        if self._accepted_log is not None:
            os.close(self._accepted_log)
            self._accepted_log = None

    def _complain(self) -> None:
        """Say that messages are lost: at the first, the tenth, the hundredth and so on."""
        with self._lock:
            count, said = self._queue.dropped, self._said
            self._said = max(said, count)
        if len(str(count)) > len(str(said)) or count > said == 0:
            log.error("outbox: full (%s), messages lost: %d", self._options.when_full, count)

    # The writer's thread.

    def _run(self, file: OutboxFile) -> None:
        while not self._closing:
            with self._lock:
                if not self._is_due() and not self._closing:
                    self._changed.wait(self._idle_s())
                due, closing = self._is_due(), self._closing
                if due and self._options.commit_ms and not closing:
                    self._changed.wait_for(lambda: self._closing, self._options.commit_ms / 1000)
            if due:
                self._cycle(file)
            elif not closing and not self._problem:
                with suppress(DiskError, DamagedError):
                    file.tidy()
        self._finish(file)

    def _finish(self, file: OutboxFile) -> None:
        self._cycle(file)
        while self._queue.has_work and not self._problem:
            self._cycle(file)
        file.close()

    def _is_due(self) -> bool:
        if self._problem:
            return self._monotonic() >= self._retry_s
        return bool(self._suspect) or self._queue.has_work

    def _idle_s(self) -> float:
        return max(0.0, self._retry_s - self._monotonic()) if self._problem else IDLE_S

    def _cycle(self, file: OutboxFile) -> None:
        """Mend what has to be mended, then one transaction."""
        try:
            if self._suspect:
                self._replace(file)
            elif self._problem:
                self._open(file)
            self._commit(file)
        except DamagedError as fault:
            self._suspect = str(fault)
            self._alarm(file, f"damaged: {fault}")
        except (DiskError, BusyError) as fault:
            self._alarm(file, str(fault))

    def _open(self, file: OutboxFile) -> None:
        file.close_connections()
        file.open()
        with self._lock:
            self._totals = file.totals
            self._last = max(self._last, self._totals.last)
            if self._accepted_before is None:
                self._accepted_before = self._totals.accepted
            self._queue.opened(self._totals.last, self._totals.waiting)

    def _replace(self, file: OutboxFile) -> None:
        """Put a damaged file aside and go on with a fresh one, with all that was sound."""
        path = file.path
        log.error("outbox %s: damaged (%s); copying what is sound into a fresh file", path, self._suspect)
        file.close_connections()
        with self._lock:
            rescued = self._queue.in_memory()
        saved, lost, exact = salvage(path, rescued, self._totals if self._totals.last else None)
        self._open(file)
        self._suspect = ""
        with self._lock:
            self._queue.damaged += lost
        log.error("outbox %s: %d messages saved, %s%d lost", path, saved, "" if exact else "at least ", lost)

    def _commit(self, file: OutboxFile) -> None:
        with self._lock:
            change = self._queue.change()
        try:
            outcome = file.commit(change)
        except BaseException:
            with self._lock:
                self._queue.failed(change)
            raise
        with self._lock:
            was, self._problem, self._pause_s = self._problem, "", FIRST_PAUSE_S
            self._totals = file.totals
            self._queue.has_disk = True
            self._queue.committed(change, outcome, self._totals.waiting)
        if was:
            log.warning("outbox %s: works again", file.path)
        self._complain()
        self._log_accepted(outcome.accepted)
        self._ready()

    def _log_accepted(self, messages: Sequence[Message]) -> None:
        if not self._options.accepted_log or not messages:
            return
        try:
            if self._accepted_log is None:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
                self._accepted_log = os.open(self._options.accepted_log, flags, 0o600)
                os.set_blocking(self._accepted_log, True)
            os.write(self._accepted_log, "".join(f"{message.number}\n" for message in messages).encode())
        except OSError as fault:
            log.warning("%s: not written: %s", self._options.accepted_log, fault.strerror)

    def _alarm(self, file: OutboxFile, problem: str) -> None:
        """Go on in memory, and try again later."""
        with self._lock:
            first, self._problem = not self._problem, problem
            self._retry_s = self._monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._queue.lost_disk()
        if first:
            log.error("outbox %s: %s; results are in memory only until it works again", file.path, problem)
        self._complain()
        self._ready()
