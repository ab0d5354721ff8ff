"""Where reading threads leave readings for the worker: bounded, fair between sources, honest about what it dropped."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace

from edge_sdk.reading import Reading


@dataclass(frozen=True)
class Arrival:
    """A reading, the source it came from and when it arrived (monotonic)."""

    source: str
    reading: Reading
    arrived_s: float


class Inbox:
    """At most `capacity` readings of each source.

    A live source cannot wait: its oldest reading is dropped and the one after it gets a gap. Other sources wait.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[Arrival]] = {}
        self._turns: deque[str] = deque()
        self._closed = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._turns)

    def put(self, source: str, reading: Reading, *, live: bool) -> None:
        """Leave a reading; blocks while a source that can wait has too many."""
        with self._changed:
            mine = self._waiting.setdefault(source, deque())
            if live and len(mine) >= self._capacity:
                mine.popleft()
                if mine:
                    mine[0] = replace(mine[0], reading=replace(mine[0].reading, gap=True))
                else:
                    reading = replace(reading, gap=True)
                self.dropped += 1
            else:
                self._changed.wait_for(lambda: self._closed or len(mine) < self._capacity)
                self._turns.append(source)
            mine.append(Arrival(source, reading, time.monotonic()))
            self._changed.notify_all()

    def get(self, timeout_s: float) -> Arrival | None:
        """Take the next reading; None when there is none within the time."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._turns), timeout_s):
                return None
            arrival = self._waiting[self._turns.popleft()].popleft()
            self._changed.notify_all()
            return arrival

    def close(self) -> None:
        """Let go of whoever waits in `put`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
