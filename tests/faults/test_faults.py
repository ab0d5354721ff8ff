"""A few of each fault in every test run; docs/delivery.md has the figures of the long ones."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.__main__ import FAULTS
from tests.faults.journal import Disk, Record
from tests.faults.line import Line
from tests.faults.network import Network
from tests.support import REPOSITORY, require_tool, skip_loudly

FEW = {
    "broker-hang": 1,
    "broker-kill": 2,
    "broker-stop": 1,
    "disk-eio": 2,
    "disk-enospc": 2,
    "disk-kill": 3,
    "disk-short": 1,
    "disk-torn": 3,
    "kill": 6,
    "loss": 1,
    "partition": 1,
    "power": 300,
    "quota": 4,
    "slow": 1,
}


def test_every_fault_is_tried_here() -> None:
    assert set(FEW) == set(FAULTS)


@pytest.mark.parametrize("fault", sorted(FEW))
def test_nothing_that_was_accepted_is_lost(fault: str) -> None:
    require_tool("mosquitto", "mosquitto")
    if fault in ("loss", "partition", "slow"):
        _require_network()
    seed = 40 if fault.startswith("disk") else 1
    command = [sys.executable, "-m", "tests.faults", fault, "--count", str(FEW[fault]), "--seed", str(seed), "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["lost"] == 0
    assert figures["accepted"] > 50
    assert figures["out_of_order"] == 0


def _require_network() -> None:
    try:
        with Network():
            pass
    except AssertionError as fault:
        skip_loudly(f"no network namespaces here ({fault}); as root, with CAP_NET_ADMIN, there are")


def test_the_audit_sees_a_loss_a_duplicate_and_a_wrong_order(tmp_path: Path) -> None:
    line = Line(tmp_path)
    (tmp_path / "accepted").write_text("1\n2\n3\n4\n5")
    (tmp_path / "received").write_text("10.0 1 0\n11.0 1 0\n12.0 4 0\n13.0 3 0\n")
    line.faults_s = [10.5]
    figures = line.audit("none", 1, 1)
    assert (figures.accepted, figures.received, figures.lost, figures.lost_ids) == (4, 3, 1, [2])
    assert (figures.duplicates, figures.most_after_a_fault, figures.out_of_order) == (1, 1, 1)
    assert not figures.is_good


def states(records: list[Record], folder: Path) -> set[bytes | None]:
    """All states of the file "f" that a hundred cuts find."""
    disk = Disk()
    for record in records:
        disk.follow(record)
    found: set[bytes | None] = set()
    for number in range(100):
        place = folder / str(number)
        place.mkdir(parents=True)
        disk.after_a_cut(random.Random(number), place)
        found.add((place / "f").read_bytes() if (place / "f").exists() else None)
    return found


def write(at: int, data: bytes) -> Record:
    return Record("W", at, 0.0, "f", data)


SYNC, UNLINK = Record("S", 0, 0.0, "f", b""), Record("U", 0, 0.0, "f", b"")
FOLDER = Record("D", 0, 0.0, "box", b"")


def test_what_was_synced_is_there_after_every_cut(tmp_path: Path) -> None:
    assert states([write(0, b"ab"), write(1, b"c"), SYNC], tmp_path) == {b"ac"}


def test_what_was_not_synced_may_be_there_in_any_part(tmp_path: Path) -> None:
    old, new = b"o" * 1024, b"n" * 1024
    found = states([write(0, old), SYNC, write(0, new)], tmp_path)
    assert found == {old, new, old[:512] + new[512:], new[:512] + old[512:]}


def test_names_are_as_old_as_the_last_sync_of_their_folder(tmp_path: Path) -> None:
    assert states([write(0, b"a")], tmp_path / "1") == {None, b"", b"a"}
    assert states([write(0, b"a"), SYNC, UNLINK], tmp_path / "2") == {None, b"a"}
    assert states([write(0, b"a"), SYNC, UNLINK, FOLDER], tmp_path / "3") == {None}
    renamed = Record("R", 0, 0.0, "f", b"/box/g")
    assert states([write(0, b"a"), SYNC, renamed], tmp_path / "4") == {None, b"a"}
    assert states([write(0, b"a"), SYNC, renamed, FOLDER], tmp_path / "5") == {None}
