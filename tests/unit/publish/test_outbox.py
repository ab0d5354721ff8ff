from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_sdk.publish import outbox as outbox_module
from edge_sdk.publish.outbox import MAX_MESSAGE_BYTES, Outbox
from edge_sdk.publish.outbox_file import OutboxFile
from edge_sdk.publish.outbox_options import OutboxOptions
from edge_sdk.publish.outbox_records import Change, DiskError, DiskFullError, Message, Outcome
from tests.broker import until


def opened(path: Path | None, **options: object) -> Outbox:
    found = Outbox(path, OutboxOptions(**{"reserve_mib": 0, "backlog_rate_hz": 0, **options}), lambda: None)
    found.open()
    return found


def put(outbox: Outbox, count: int) -> list[int]:
    numbers = [outbox.number() for _ in range(count)]
    for number in numbers:
        outbox.put(Message(number, "edge/a", b"%d" % number))
    return numbers


def take_all(outbox: Outbox, count: int) -> list[Message]:
    found: list[Message] = []

    def enough() -> bool:
        taken = outbox.take(100)
        outbox.settle(taken)
        found.extend(taken)
        return len(found) >= count

    until(enough, f"{count} messages")
    return found


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    found = opened(tmp_path / "o.db")
    yield found
    found.close()


def test_messages_come_out_in_order_and_are_forgotten_when_settled(outbox: Outbox) -> None:
    numbers = put(outbox, 500)
    assert [one.number for one in take_all(outbox, 500)] == numbers
    until(lambda: outbox.totals.waiting == 0, "all are deleted")
    assert outbox.counts() == {"accepted": 500, "dropped": 0, "damaged": 0, "dead": 0, "waiting": 0, "kept": 0}


def test_what_was_not_settled_comes_again_in_the_next_run(tmp_path: Path) -> None:
    first = opened(tmp_path / "o.db")
    numbers = put(first, 50)
    until(lambda: first.kept == 50, "all are stored")
    first.settle(first.take(10))
    first.close()
    second = opened(tmp_path / "o.db")
    assert [one.number for one in take_all(second, 40)] == numbers[10:]
    second.close()


def test_numbers_grow_over_restarts_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    highest = 0
    for clock_s in (2_000_000_000, 5, 1_000_000_000, 2_000_000_001):
        monkeypatch.setattr(time, "time_ns", lambda now=clock_s: now * 10**9)
        outbox = opened(tmp_path / "o.db")
        number = put(outbox, 1)[0]
        assert number > highest
        highest = number
        take_all(outbox, 1)
        outbox.close()


class FaultyDisk:
    """Makes transactions and openings fail while `fault` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: Callable[[], Exception] | None = None
        for name in ("_commit", "open"):
            monkeypatch.setattr(OutboxFile, name, self._failing(getattr(OutboxFile, name)))
        monkeypatch.setattr(outbox_module, "FIRST_PAUSE_S", 0.02)
        monkeypatch.setattr(outbox_module, "LONGEST_PAUSE_S", 0.02)

    def _failing(self, real: Callable[..., object]) -> Callable[..., object]:
        def method(*arguments: object) -> object:
            if self.fault is not None:
                raise self.fault()
            return real(*arguments)

        return method


@pytest.mark.parametrize("fault", [DiskError("disk I/O error"), DiskFullError("database or disk is full")], ids=str)
def test_without_a_disk_messages_still_flow_and_are_stored_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: DiskError
) -> None:
    disk = FaultyDisk(monkeypatch)
    outbox = opened(tmp_path / "o.db", ram_messages=100)
    disk.fault = lambda: fault
    numbers = put(outbox, 30)
    until(lambda: outbox.problem, "the alarm")
    assert [one.number for one in take_all(outbox, 30)] == numbers
    numbers = put(outbox, 120)
    assert outbox.counts()["dropped"] == 20
    disk.fault = None
    until(lambda: not outbox.problem and outbox.kept == 100, "the disk is back")
    assert outbox.totals.dropped == 20
    outbox.close()
    later = opened(tmp_path / "o.db")
    assert [one.number for one in take_all(later, 100)] == numbers[20:]
    later.close()
    assert "results are in memory only until it works again" in caplog.text
    assert "works again" in caplog.text


def test_a_disk_that_is_not_there_at_the_start_is_an_alarm_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of the folder")
    outbox = opened(tmp_path / "file" / "o.db")
    assert outbox.problem
    numbers = put(outbox, 5)
    assert [one.number for one in take_all(outbox, 5)] == numbers
    outbox.close()
    assert outbox.counts()["waiting"] == 0


def test_in_memory_only_nothing_is_written(tmp_path: Path) -> None:
    outbox = opened(None)
    numbers = put(outbox, 5)
    assert [one.number for one in take_all(outbox, 5)] == numbers
    assert outbox.problem == ""
    outbox.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_damaged_while_it_is_used_is_replaced_and_nothing_in_memory_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "o.db"
    outbox = opened(path)
    put(outbox, 300)
    until(lambda: outbox.kept == 300, "all are stored")
    time.sleep(1.1)  # they are no longer live, and only the disk has them
    outbox.take(0)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    fresh = put(outbox, 20)
    found = {one.number for one in take_all(outbox, 20)}
    until(lambda: outbox.counts()["damaged"] == 300, "the loss is counted")
    assert found == set(fresh)
    put(outbox, 5)
    take_all(outbox, 5)
    outbox.close()
    assert outbox.totals.damaged == 300
    assert "copying what is sound into a fresh file" in caplog.text


def test_each_accepted_number_is_logged_after_its_commit(tmp_path: Path) -> None:
    log = tmp_path / "accepted"
    outbox = opened(tmp_path / "o.db", accepted_log=str(log))
    numbers = put(outbox, 20)
    until(lambda: outbox.kept == 20, "all are stored")
    outbox.close()
    assert [int(line) for line in log.read_text().split()] == numbers


def test_a_message_that_is_far_too_large_is_dropped(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    outbox.put(Message(outbox.number(), "edge/a", b"x" * MAX_MESSAGE_BYTES))
    assert outbox.counts()["dropped"] == 1
    assert "messages lost: 1" in caplog.text


def test_a_collected_commit_waits_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    real = OutboxFile.commit

    def counted(self: OutboxFile, change: Change) -> Outcome:
        commits.append(len(change.arrived))
        return real(self, change)

    monkeypatch.setattr(OutboxFile, "commit", counted)
    outbox = opened(tmp_path / "o.db", commit_ms=200)
    for _ in range(10):
        put(outbox, 1)
        time.sleep(0.005)
    outbox.close()
    assert sum(commits) == 10
    assert len([count for count in commits if count]) <= 2


def test_a_hanging_disk_never_holds_up_the_producer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    real = OutboxFile.commit

    def hanging(self: OutboxFile, change: Change) -> Outcome:
        go_on.wait(10)
        return real(self, change)

    monkeypatch.setattr(OutboxFile, "commit", hanging)
    outbox = opened(tmp_path / "o.db", ram_messages=10)
    put(outbox, 200)
    counts = outbox.counts()
    assert counts["waiting"] + counts["dropped"] == 200
    assert 10 <= counts["waiting"] <= 210
    go_on.set()
    until(lambda: outbox.kept == counts["waiting"], "the rest is stored")
    outbox.close()
    with caplog.at_level(logging.ERROR):
        assert outbox.totals.dropped == counts["dropped"]
