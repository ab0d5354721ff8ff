from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from edge_sdk.cli.write_file import write_file
from edge_sdk.errors import AccessDeniedError, TransferError


def test_an_old_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "y.npy"
    path.write_bytes(b"old and longer")
    path.chmod(0o640)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_gets_the_mode_of_the_process(tmp_path: Path) -> None:
    write_file(tmp_path / "y.npy", b"new")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "y.npy").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"new")
    reader.join(10)
    assert found == [b"new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "y.npy"
    path.write_bytes(b"old")

    def refuse(source: str, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(AccessDeniedError, match=r"y\.npy: may not be written"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_brings_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="cannot be written") as caught:
        write_file(tmp_path / "a b" / "y.npy", b"new")
    assert caught.value.hint == f"mkdir -p '{tmp_path}/a b'"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="directory"):
        write_file(tmp_path, b"new")
