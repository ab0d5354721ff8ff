from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_sdk.errors import BusyError, TransferError
from firmware_tools.flash.journal import Journal, journal_folder, read_lines, state_home, unfinished


def lines(journal: Journal) -> list[tuple[str, str]]:
    return [(line["state"], line.get("step", "")) for line in read_lines(journal.path.read_text())]


def test_a_line_is_on_the_disk_before_and_after_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[list[tuple[str, str]]] = []
    with Journal(tmp_path / "j") as journal:
        monkeypatch.setattr(os, "fsync", lambda handle: synced.append(lines(journal)))
        journal.begin("1.0.0-aa", ["lock"])
        journal.step("lock")
        journal.done("lock")
        journal.end("running")
    assert [len(one) for one in synced] == [1, 2, 3, 4]
    assert synced[-1] == [("begin", ""), ("step", "lock"), ("done", "lock"), ("end", "")]


def test_what_was_cut_off_is_said_by_the_next_run(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        assert journal.unfinished == ""
        journal.begin("1.0.0-aa", ["lock", "load", "build"])
        journal.step("lock")
        journal.done("lock")
        journal.step("load")
        journal.done("load")
        journal.step("build")
    with Journal(tmp_path / "j") as journal:
        assert journal.unfinished.startswith("1.0.0-aa, begun at 20")
        assert journal.unfinished.endswith("and cut off after 2 of 3 steps, in build")
        journal.begin("1.0.0-aa", ["lock"])
        journal.end("running")
        assert len(lines(journal)) == 8
    with Journal(tmp_path / "j") as journal:
        assert journal.unfinished == ""
        journal.begin("2.0.0-bb", ["lock"])
        assert lines(journal) == [("begin", "")]


def test_a_run_that_only_had_the_lock_left_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        journal.begin("1.0.0-aa", ["lock", "load"])
        journal.step("lock")
        journal.done("lock")
    with Journal(tmp_path / "j") as journal:
        assert journal.unfinished == ""


def test_a_second_command_for_the_same_target_is_kept_off(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "j"),
        pytest.raises(BusyError, match="another command on this machine"),
        Journal(tmp_path / "j"),
    ):
        pass
    with Journal(tmp_path / "j") as journal:
        assert journal.unfinished == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "not json\n",
        "[1]\n",
        '{"state": "begin"}',
        '{"state": 3, "run": [1]}\n{"state": "begin", "steps": 7}\n',
    ],
)
def test_a_damaged_journal_stops_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "journal.ndjson").write_text(text)
    with Journal(tmp_path) as journal:
        journal.begin("1.0.0-aa", [])
        journal.end("running")
    assert unfinished((tmp_path / "journal.ndjson").read_text()) == ""


def test_a_line_that_a_crash_cut_short_is_left_out() -> None:
    text = (
        '{"run": "a", "state": "begin", "steps": ["x"]}\n{"run": "a", "state": "done", "step": "x"}\n{"run": "a", "sta'
    )
    assert unfinished(text) == "?, begun at ? and cut off after 1 of 1 steps"


def test_a_link_in_place_of_the_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.ndjson").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TransferError, match="cannot be written"), Journal(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_each_target_and_application_has_a_folder_of_its_own() -> None:
    environment = {"XDG_STATE_HOME": "/state"}
    folders = {
        journal_folder(target, app, environment)
        for target, app in [("a", "b-c"), ("a-b", "c"), ("../a", "b"), ("/a", "b"), ("root@[::1]", "b")]
    }
    assert len(folders) == 5
    assert {folder.parent for folder in folders} == {Path("/state/edge-sdk/flash")}
    assert state_home({"HOME": "/home/me", "XDG_STATE_HOME": "x"}) == Path("/home/me/.local/state/edge-sdk")


def test_every_name_a_device_may_claim_has_a_folder(tmp_path: Path) -> None:
    folders = {
        journal_folder("x", name, {"XDG_STATE_HOME": str(tmp_path)}) for name in ("\ud800", "\udcff", "../x", "")
    }
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path / "edge-sdk/flash"}
