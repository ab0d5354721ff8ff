from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edge_sdk.errors import BusyError
from edge_sdk.publish import outbox_file
from edge_sdk.publish.outbox_file import BALLAST_BYTES, OutboxFile, fresh_path
from edge_sdk.publish.outbox_options import OutboxOptions
from edge_sdk.publish.outbox_records import Change, DamagedError, DiskError, DiskFullError, Message


def message(number: int, *, size: int = 20, urgent: bool = False) -> Message:
    return Message(number, "edge/a", bytes([number % 251]) * size, urgent)


def messages(numbers: range, **options: int) -> list[Message]:
    return [message(number, **options) for number in numbers]


def numbers(file: OutboxFile) -> list[int]:
    return [one.number for one in file.read(-1, 2**62, 100_000)[0]]


def opened(path: Path, **options: object) -> OutboxFile:
    file = OutboxFile(path, OutboxOptions(**{"reserve_mib": 0, **options}))
    file.open()
    return file


@pytest.fixture
def file(tmp_path: Path) -> Iterator[OutboxFile]:
    found = opened(tmp_path / "o.db")
    yield found
    found.close()


def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path / "o.db")
    first.commit(Change(arrived=messages(range(1, 6))))
    first.commit(Change(gone=[message(2)], dead=[(message(2), "0x87 Not authorized")], damaged=1))
    first.close()
    second = opened(tmp_path / "o.db")
    assert numbers(second) == [1, 3, 4, 5]
    assert second.read(-1, 9, 1)[0][0].data == message(1).data
    totals = second.totals
    assert (totals.last, totals.waiting, totals.accepted, totals.dead, totals.damaged) == (5, 4, 5, 1, 1)
    assert totals.size_bytes == sum(message(number).size_bytes for number in (1, 3, 4, 5))
    second.close()


def test_a_message_is_not_stored_twice(file: OutboxFile) -> None:
    file.commit(Change(arrived=messages(range(1, 4))))
    file.commit(Change(arrived=messages(range(2, 6))))
    assert numbers(file) == [1, 2, 3, 4, 5]
    assert file.totals.waiting == file.totals.accepted == 5
    assert file.totals.size_bytes == 5 * message(1).size_bytes


def test_a_transaction_that_fails_changes_nothing(file: OutboxFile) -> None:
    file.commit(Change(arrived=messages(range(1, 4))))
    before = file.totals
    broken = Message(9, "edge/a", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        file.commit(Change(arrived=[message(8), broken], gone=[message(1)]))
    assert numbers(file) == [1, 2, 3]
    assert file.totals == before


def test_the_file_is_nobody_elses(tmp_path: Path, file: OutboxFile) -> None:
    assert (tmp_path / "o.db").stat().st_mode & 0o077 == 0
    script = (
        "import sys; from pathlib import Path\n"
        "from edge_sdk.publish.outbox_file import OutboxFile\n"
        "from edge_sdk.publish.outbox_options import OutboxOptions\n"
        "OutboxFile(Path(sys.argv[1]), OutboxOptions()).open()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "o.db")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert f"BusyError: outbox {tmp_path / 'o.db'}: another run uses it" in done.stderr


def test_a_second_opener_in_this_process_is_refused_too(tmp_path: Path, file: OutboxFile) -> None:
    with pytest.raises(BusyError):
        opened(tmp_path / "o.db")


@pytest.mark.parametrize(
    ("when_full", "kept", "refused"),
    [("reject", range(1, 11), range(11, 16)), ("drop_oldest", range(6, 16), range(0))],
)
def test_a_full_outbox_keeps_what_its_rule_says(tmp_path: Path, when_full: str, kept: range, refused: range) -> None:
    file = opened(tmp_path / "o.db", max_messages=10, when_full=when_full)
    outcomes = [file.commit(Change(arrived=[one])) for one in messages(range(1, 16))]
    assert numbers(file) == list(kept)
    assert [one.number for outcome in outcomes for one in outcome.refused] == list(refused)
    assert file.totals.dropped == 5
    assert file.totals.waiting == 10
    file.close()


def test_a_batch_larger_than_the_outbox_keeps_its_end(tmp_path: Path) -> None:
    file = opened(tmp_path / "o.db", max_messages=10)
    outcome = file.commit(Change(arrived=messages(range(1, 26))))
    assert numbers(file) == list(range(16, 26))
    assert sorted(one.number for one in outcome.refused) == list(range(1, 16))
    file.close()


def test_the_quota_counts_bytes_too(tmp_path: Path) -> None:
    file = opened(tmp_path / "o.db", max_mib=0.1)
    for number in range(1, 200):
        file.commit(Change(arrived=[message(number, size=2000)]))
    assert file.totals.size_bytes <= 0.1 * 2**20
    assert numbers(file) == list(range(200 - file.totals.waiting, 200))
    assert file.totals.waiting + file.totals.dropped == 199
    file.close()


def test_what_is_on_its_way_out_does_not_give_way(tmp_path: Path) -> None:
    file = opened(tmp_path / "o.db", max_messages=10)
    file.commit(Change(arrived=messages(range(1, 11))))
    outcome = file.commit(Change(arrived=messages(range(11, 14)), spare=frozenset({1, 3})))
    assert outcome.victims == [2, 4, 5]
    assert numbers(file) == [1, 3, *range(6, 14)]
    file.close()


def test_thinning_spreads_over_what_waits_and_takes_alarms_last(tmp_path: Path) -> None:
    file = opened(tmp_path / "o.db", max_messages=100, when_full="thin")
    file.commit(Change(arrived=[message(number, urgent=number % 10 == 0) for number in range(1, 101)]))
    for number in range(101, 141):
        file.commit(Change(arrived=[message(number)]))
    left = numbers(file)
    assert len(left) == 100
    assert set(range(10, 101, 10)) <= set(left), "an alarm went before others"
    old = [number for number in left if number <= 100]
    assert max(after - before for before, after in pairwise(old)) <= 3, "a hole in the history"
    for number in range(141, 1200):
        file.commit(Change(arrived=[message(number)]))
    assert set(range(10, 101, 10)) <= set(numbers(file))
    assert file.totals.dropped == 1199 - 100
    file.close()


def test_when_only_alarms_are_left_the_oldest_of_them_go(tmp_path: Path) -> None:
    file = opened(tmp_path / "o.db", max_messages=10, when_full="thin")
    for number in range(1, 16):
        file.commit(Change(arrived=[message(number, urgent=True)]))
    assert numbers(file) == list(range(6, 16))
    file.close()


def test_a_disk_with_little_room_counts_as_full(tmp_path: Path) -> None:
    file = opened(tmp_path / "o.db", reserve_mib=900_000, when_full="reject")
    assert len(file.commit(Change(arrived=[message(1)])).refused) == 1
    file.close()


def test_a_row_that_rotted_is_told_from_the_others(tmp_path: Path, file: OutboxFile) -> None:
    file.commit(Change(arrived=messages(range(1, 4), size=3000)))
    with sqlite3.connect(tmp_path / "o.db") as other:
        other.execute("UPDATE waiting SET data = zeroblob(3000) WHERE number = 2")
    other.close()
    found, damaged = file.read(-1, 100, 10)
    assert [one.number for one in found] == [1, 3]
    assert [one.number for one in damaged] == [2]


def test_dead_letters_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_file, "MAX_DEAD", 5)
    file = opened(tmp_path / "o.db")
    for number in range(1, 20):
        file.commit(Change(dead=[(message(number), "0x90")]))
    file.close()
    with sqlite3.connect(tmp_path / "o.db") as other:
        assert [row[0] for row in other.execute("SELECT number FROM dead")] == list(range(15, 20))
    other.close()
    assert file.totals.dead == 19


def test_room_is_given_back_when_the_backlog_has_gone(tmp_path: Path, file: OutboxFile) -> None:
    many = messages(range(1, 5000), size=2000)
    file.commit(Change(arrived=many))
    file.commit(Change(gone=many))
    before = (tmp_path / "o.db").stat().st_size
    while file.tidy():
        pass
    file.close()
    assert (tmp_path / "o.db").stat().st_size < before / 4


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"\0" * 8192])
def test_a_file_that_is_none_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "o.db").write_bytes(content)
    with pytest.raises(DamagedError):
        opened(tmp_path / "o.db")


@pytest.mark.parametrize("where", ["o.db", "o.db.lock"])
def test_a_folder_in_its_place_is_a_fault_of_the_disk(tmp_path: Path, where: str) -> None:
    (tmp_path / where).mkdir()
    with pytest.raises(DiskError):
        opened(tmp_path / "o.db")


def test_a_full_disk_costs_the_ballast_first(tmp_path: Path, file: OutboxFile, monkeypatch: pytest.MonkeyPatch) -> None:
    ballast = tmp_path / "o.db.ballast"
    assert ballast.stat().st_size == BALLAST_BYTES
    real, calls = OutboxFile._commit, []

    def full_while_there_is_ballast(self: OutboxFile, change: Change) -> object:
        calls.append(ballast.exists())
        if ballast.exists() or len(calls) > 2:
            raise DiskFullError("database or disk is full")
        return real(self, change)

    monkeypatch.setattr(OutboxFile, "_commit", full_while_there_is_ballast)
    file.commit(Change(arrived=[message(1)]))
    assert calls == [True, False]
    with pytest.raises(DiskFullError):
        file.commit(Change(arrived=[message(2)]))
    file.tidy()
    assert ballast.exists()


def test_a_replacement_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    opened(path).close()
    fresh = opened(fresh_path(path))
    fresh.commit(Change(arrived=messages(range(1, 4))))
    fresh.close()
    path.unlink()
    (tmp_path / "o.db-wal").write_bytes(b"of the file that stands aside")
    file = opened(path)
    assert numbers(file) == [1, 2, 3]
    assert not fresh_path(path).exists()
    file.close()
