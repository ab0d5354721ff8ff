from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from edge_sdk.publish.outbox_file import PAGE_BYTES, OutboxFile
from edge_sdk.publish.outbox_options import OutboxOptions
from edge_sdk.publish.outbox_records import Change, DamagedError, Message
from edge_sdk.publish.outbox_salvage import salvage

COUNT = 400


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with leaf, interior and overflow pages, and a list of free ones."""
    path = tmp_path_factory.mktemp("outbox") / "o.db"
    file = OutboxFile(path, OutboxOptions())
    file.open()
    rows = [message(number) for number in range(1, COUNT + 101)]
    file.commit(Change(arrived=rows))
    file.commit(Change(gone=rows[:100]))
    file.close()
    assert path.stat().st_size > 20 * PAGE_BYTES
    return path


def message(number: int) -> Message:
    return Message(number, "edge/a", bytes([number % 251]) * (6000 if number % 40 == 0 else 200))


def read_all(path: Path) -> tuple[dict[int, bytes], int]:
    """Return what an outbox gets out of the file, and how many it says are lost."""
    file = OutboxFile(path, OutboxOptions())
    lost = 0
    try:
        file.open()
        found, damaged = file.read(-1, 2**62, 10_000)
    except DamagedError:
        file.close_connections()
        _, lost, _ = salvage(path, [], file.totals if file.totals.last else None)
        file.open()
        found, damaged = file.read(-1, 2**62, 10_000)
    file.close()
    return {one.number: one.data for one in found}, lost + len(damaged)


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_in_any_page_costs_only_what_is_counted(written: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    clean = written.read_bytes()
    for page in range(len(clean) // PAGE_BYTES):
        content = bytearray(clean)
        content[page * PAGE_BYTES + chance.randrange(PAGE_BYTES)] ^= 1 << chance.randrange(8)
        path = tmp_path / str(page) / "o.db"
        path.parent.mkdir()
        path.write_bytes(content)
        found, lost = read_all(path)
        whole = {number: message(number).data for number in range(101, COUNT + 101)}
        assert found.items() <= whole.items(), f"page {page}: something was made up"
        assert len(found) + lost == COUNT, f"page {page}: {len(found)} found, {lost} counted as lost"
        assert len(found) >= COUNT - 40, f"page {page}: {len(found)} found of {COUNT}"


@pytest.mark.parametrize("bad", [range(1), range(3, 6), range(10, 14)], ids=str)
def test_pages_that_are_gone_cost_only_their_own_rows(written: Path, tmp_path: Path, bad: range) -> None:
    content = bytearray(written.read_bytes())
    for page in bad:
        content[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = random.Random(1).randbytes(PAGE_BYTES)
    path = tmp_path / "o.db"
    path.write_bytes(content)
    found, lost = read_all(path)
    assert set(found) <= set(range(101, COUNT + 101))
    assert len(found) + lost == COUNT or bad[0] == 3  # where the totals themselves are gone, nobody can count


def test_what_is_still_in_memory_is_saved_too(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    shutil.copy(written, path)
    file = OutboxFile(path, OutboxOptions())
    file.open()
    expected = file.totals
    file.close()
    path.write_bytes(b"\0" * path.stat().st_size)
    memory = [message(number) for number in (150, COUNT + 100, COUNT + 101)]
    saved, lost, exact = salvage(path, memory, expected)
    assert (saved, lost, exact) == (3, COUNT - 2, True)


def test_only_the_last_two_damaged_files_stay(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    for _ in range(4):
        path.write_bytes(b"junk" * 3000)
        salvage(path, [], None)
    assert sorted(one.name for one in tmp_path.glob("*.damaged-*")) == ["o.db.damaged-3", "o.db.damaged-4"]
