from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge_sdk.errors import TargetNotFoundError, TransferError, UsageError
from firmware_tools.flash import TRANSPORTS
from firmware_tools.flash.folder import FolderTransport
from firmware_tools.flash.link import open_link
from firmware_tools.flash.probe import TargetFacts
from tests.unit.board.machines import orin_nano


def test_it_is_the_dir_row_of_the_table() -> None:
    assert TRANSPORTS.load("dir") is FolderTransport


def test_a_folder_is_a_target_that_nothing_runs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a root").mkdir()
    monkeypatch.chdir(tmp_path)
    transport = FolderTransport(Path("a root"))
    assert transport.root == transport.target == f"{tmp_path}/a root"
    assert transport.words == f"--dir '{tmp_path}/a root'"
    assert transport.restarts is False


def test_the_machine_it_stands_for_is_told_with_the_python_of_this_command(tmp_path: Path) -> None:
    facts = FolderTransport(orin_nano(tmp_path / "root")).probe()
    assert "nvidia,tegra234" in facts.compatible
    assert "/etc/nv_tegra_release" in facts.files
    assert facts.python_path == sys.executable


def test_an_absent_folder_and_a_file_are_no_targets(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("absent", "file"):
        with pytest.raises(TargetNotFoundError, match="no such folder"):
            FolderTransport(tmp_path / name)


@pytest.mark.parametrize("way", ["/", "//", "/../", "/usr/.."])
def test_this_machines_own_root_is_refused(way: str) -> None:
    with pytest.raises(UsageError, match="this machine itself") as caught:
        FolderTransport(Path(way))
    assert caught.value.hint == "--local"


def test_a_link_to_the_root_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(UsageError):
        FolderTransport(tmp_path / "link")


def test_looking_at_a_folder_writes_nothing(tmp_path: Path) -> None:
    transport = FolderTransport(tmp_path)
    with open_link(transport, transport.probe()) as link:
        assert link.stored(["0" * 64]) == {"0" * 64: 0}
    assert list(tmp_path.iterdir()) == []


def test_a_python_that_cannot_start_is_told(tmp_path: Path) -> None:
    transport = FolderTransport(tmp_path)
    with pytest.raises(TransferError, match="the receiver ended with 1: no word"):
        open_link(transport, TargetFacts("x86_64", python_path="/bin/false"))


@pytest.mark.parametrize(
    ("there", "path"),
    [
        ((), "/usr/bin/python3"),
        (("usr/bin/python3",), "/usr/bin/python3"),
        (("usr/bin/python3", "usr/bin/python3.9", "usr/bin/python3.11"), "/usr/bin/python3.11"),
        (("usr/bin/python3.10", "usr/local/bin/python3.12"), "/usr/local/bin/python3.12"),
    ],
)
def test_the_system_in_a_folder_has_a_python_of_its_own(tmp_path: Path, there: tuple[str, ...], path: str) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to("/etc/alternatives/only-there")
    assert FolderTransport(tmp_path).probe().own_python == path
