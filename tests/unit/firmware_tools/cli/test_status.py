from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from edge_sdk.cli.main import main
from firmware_tools.cli.status import describe, statuses
from firmware_tools.update.state import Failure
from tests.unit.firmware_tools.bundles import bundle_bytes, new_keys, trusting
from tests.unit.firmware_tools.flash.fake_target import FakeDevice, FakeTarget
from tests.unit.firmware_tools.flash.test_plan import app, slot


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and none of the user's own files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EDGE_BOARD", raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "root").mkdir()


@pytest.fixture
def installed(tmp_path: Path) -> None:
    """A version in the folder `root`."""
    root, me = new_keys(tmp_path, "rootkey", "me")
    trusting(tmp_path / "trust", root, me)
    Path("app.edgeb").write_bytes(bundle_bytes([me]))
    assert edge("flash --board sim --dir root --trust trust --yes app.edgeb") == 0


def edge(words: str) -> int:
    return main(words.split())


def test_where_nothing_is_installed_the_command_that_installs_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert edge("status --dir root") == 4
    said = capsys.readouterr().err
    assert "nothing is installed there" in said
    assert "try: edge-sdk flash --dir" in said
    assert list(Path("root").iterdir()) == []


def test_one_object_says_everything(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert edge("status --dir root --json") == 0
    said = json.loads(capsys.readouterr().out)
    (one,) = said["apps"]
    assert (one["name"], one["phase"], one["trial"]["version"]) == ("app", "waiting for a boot", "1.0.0")
    assert said["target"].endswith("/root")


def test_a_name_that_is_not_there_is_told_with_those_that_are(
    installed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge("status --dir root --name other") == 4
    assert "other is not installed there (it has app)" in capsys.readouterr().err


def test_a_trial_is_made_good_by_hand(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert edge("status --dir root --confirm") == 0
    assert "runs      1.0.0, counter 10" in capsys.readouterr().out


def test_logs_are_lines_or_one_object(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    log = Path("root/var/log/edge-sdk/app.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"one\ntwo\x1b[2J\n")
    capsys.readouterr()
    assert edge("status --dir root --logs 1") == 0
    assert capsys.readouterr().out == "two\\x1b[2J\n"
    assert edge("status --dir root --logs --json") == 0
    assert json.loads(capsys.readouterr().out)["logs"] == ["one", "two\\x1b[2J"]


@pytest.mark.parametrize("words", ["--logs 0", "--logs x", "--follow --confirm"])
def test_words_that_mean_nothing_are_refused(words: str) -> None:
    assert edge(f"status --dir root {words}") == 2


def test_following_survives_a_lost_connection(capsys: pytest.CaptureFixture[str]) -> None:
    target = FakeTarget(loadable=True, app="app", agent="", breaks=["status"])
    slept: list[float] = []
    with FakeDevice(target, "dir") as device:
        device.look()
        found = statuses(device, "app", clock=itertools.count(step=0.25).__next__, sleep=slept.append)
        assert next(found)[0].name == "app"
        target.breaks = ["status"]
        assert next(found)[0].name == "app"
    assert slept == [0.75, 0.75, 0.75]
    assert capsys.readouterr().err.count("connection lost") == 2


def test_people_read_what_runs_and_what_was_given_up() -> None:
    failure = Failure("2.0.0-bb", "no\x1b[2J results", 3, "2026")
    lines = list(describe("root@x", [app(trial=slot("3.0.0-cc"), phase="trial", attempts=2, failures=(failure,))]))
    assert lines == [
        "root@x",
        "app  3.0.0  trial",
        "  on trial  3.0.0-cc (update), start 2",
        "  runs      0.9.0, counter 1, 0.9.0-aaaaaaaaaaaa",
        "  before    nothing",
        "  figures   0 results, 0 delivered, 0 waiting, p99 0.0 ms, 0 MiB, pid 1",
        "  given up  2.0.0-bb after 3 starts, 2026: no\\x1b[2J results",
    ]
