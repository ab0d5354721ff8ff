from __future__ import annotations

import threading
from datetime import datetime, timezone

import numpy as np

from edge_sdk.pipeline.inbox import Inbox
from edge_sdk.reading import Reading


def reading(number: int) -> Reading:
    return Reading(np.full((1, 1), number, np.float32), 0.0, datetime(2026, 1, 1, tzinfo=timezone.utc), 1.0)


def take(inbox: Inbox) -> list[tuple[str, float, bool]]:
    found = []
    while (arrival := inbox.get(0)) is not None:
        found.append((arrival.source, float(arrival.reading.samples[0, 0]), arrival.reading.gap))
    return found


def test_readings_come_out_in_turn() -> None:
    inbox = Inbox(4)
    for number in range(3):
        inbox.put("a", reading(number), live=True)
        inbox.put("b", reading(10 + number), live=True)
    assert [number for _, number, _ in take(inbox)] == [0, 10, 1, 11, 2, 12]
    assert inbox.get(0) is None


def test_a_live_source_loses_its_oldest_and_the_next_has_a_gap() -> None:
    inbox = Inbox(2)
    inbox.put("b", reading(9), live=True)
    for number in range(5):
        inbox.put("a", reading(number), live=True)
    assert inbox.dropped == 3
    assert take(inbox) == [("b", 9, False), ("a", 3, True), ("a", 4, False)]


def test_the_smallest_inbox_marks_the_gap_on_the_reading_that_replaces() -> None:
    inbox = Inbox(1)
    inbox.put("a", reading(0), live=True)
    inbox.put("a", reading(1), live=True)
    assert take(inbox) == [("a", 1, True)]


def test_a_source_that_can_wait_waits() -> None:
    inbox = Inbox(2)
    writer = threading.Thread(target=lambda: [inbox.put("a", reading(number), live=False) for number in range(50)])
    writer.start()
    found: list[float] = []
    while len(found) < 50:
        arrival = inbox.get(5)
        assert arrival is not None
        assert len(inbox) <= 2
        found.append(float(arrival.reading.samples[0, 0]))
    writer.join(5)
    assert found == list(range(50))
    assert inbox.dropped == 0


def test_closing_lets_a_waiting_source_go() -> None:
    inbox = Inbox(1)
    inbox.put("a", reading(0), live=False)
    writer = threading.Thread(target=lambda: inbox.put("a", reading(1), live=False))
    writer.start()
    inbox.close()
    writer.join(5)
    assert not writer.is_alive()
