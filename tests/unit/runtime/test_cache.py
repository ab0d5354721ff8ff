from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import wasmtime

from edge_sdk.errors import ModelError
from edge_sdk.runtime import cache
from edge_sdk.runtime.cache import FileCache, cache_folder, compiled
from edge_sdk.runtime.engine import EngineSpec, engine_for

SPEC = EngineSpec(1 << 20)
WASM = bytes(wasmtime.wat2wasm('(module (func (export "f") (result i32) (i32.const 42)))'))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_SDK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def answer(module: wasmtime.Module) -> int:
    store = wasmtime.Store(engine_for(SPEC))
    store.set_epoch_deadline(1000)
    return int(wasmtime.Instance(store, module, []).exports(store)["f"](store))


def forbid_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(cache, "_compile_in_child", fail)


def test_the_second_time_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(compiled(SPEC, WASM)) == 42
    forbid_compiling(monkeypatch)
    assert answer(compiled(SPEC, WASM)) == 42


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text"])
def test_a_damaged_entry_is_made_again(folder: Path, damage: str) -> None:
    compiled(SPEC, WASM)
    (entry,) = folder.glob("*.cwasm")
    good = entry.read_bytes()
    bad = {
        "truncate": good[:-100],
        "flip": good[:200] + bytes([good[200] ^ 1]) + good[201:],
        "empty": b"",
        "text": b"x" * 99,
    }
    entry.write_bytes(bad[damage])
    assert answer(compiled(SPEC, WASM)) == 42
    (entry,) = folder.glob("*.cwasm")
    assert entry.read_bytes() == good


def test_an_entry_that_wasmtime_refuses_is_made_again(folder: Path) -> None:
    compiled(SPEC, WASM)
    (entry,) = folder.glob("*.cwasm")
    key = entry.name.split(".")[0]
    entry.unlink()
    FileCache(folder).put(key, ".cwasm", b"well hashed, but no code")
    assert answer(compiled(SPEC, WASM)) == 42


def test_the_folder_is_private(folder: Path) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    assert cache_folder() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_open_folder_with_something_in_it_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "letters.txt").write_text("mine")
    assert cache_folder() is None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert answer(compiled(SPEC, WASM)) == 42
    assert [path.name for path in folder.iterdir()] == ["letters.txt"]


def test_pruning_removes_only_entries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_sdk.runtime.cache.MAX_CACHE_BYTES", 1)
    folder.mkdir(mode=0o700)
    foreign = [folder / "letters.txt", folder / "model.cwasm", folder / "new-plans"]
    for path in foreign:
        path.write_text("mine")
    cache = FileCache(folder)
    first, second = (cache.put(64 * digit, ".cwasm", b"x") for digit in "ab")
    assert not first.exists()
    assert second.exists()
    assert all(path.read_text() == "mine" for path in foreign)


def test_a_folder_of_somebody_else_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert cache_folder() is None
    assert answer(compiled(SPEC, WASM)) == 42
    assert list(folder.iterdir()) == []


def test_a_folder_behind_a_link_of_ours_is_used_by_its_real_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "private/line").mkdir(mode=0o700, parents=True)
    folder.symlink_to("private/line")  # as systemd makes it for a service with DynamicUser=
    assert cache_folder() == tmp_path / "private/line"
    compiled(SPEC, WASM)
    assert list((tmp_path / "private/line").glob("*.cwasm"))


def test_a_folder_behind_a_link_is_still_checked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere").chmod(0o755)
    (tmp_path / "elsewhere/letters.txt").write_text("mine")
    folder.symlink_to("elsewhere")
    assert cache_folder() is None


def test_a_link_that_others_could_turn_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir(mode=0o700)  # ours and closed, but what is in it may come from anywhere
    folder.symlink_to("inbox")
    tmp_path.chmod(0o777)
    assert cache_folder() is None
    assert answer(compiled(SPEC, WASM)) == 42
    assert list((tmp_path / "inbox").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGE_SDK_CACHE", str(tmp_path / "file" / "cache"))
    assert cache_folder() is None
    assert answer(compiled(SPEC, WASM)) == 42


def test_a_refused_module_brings_wasmtimes_words() -> None:
    with pytest.raises(ModelError, match="refuses the module"):
        compiled(SPEC, WASM[:-4] + b"\xff\xff\xff\xff")


def test_without_a_child_the_module_is_compiled_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert answer(compiled(SPEC, WASM)) == 42


def test_compiling_for_ever_is_a_model_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(ModelError, match="takes more than"):
        compiled(SPEC, WASM)


def test_a_child_that_dies_is_a_model_error(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.CompletedProcess([], -6, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(ModelError, match="signal 6"):
        compiled(SPEC, WASM)


def test_engines_of_another_kind_do_not_share_code(folder: Path) -> None:
    compiled(SPEC, WASM)
    compiled(EngineSpec(1 << 21), WASM)
    compiled(EngineSpec(1 << 20, safe_traps=True), WASM)
    assert len(list(folder.glob("*.cwasm"))) == 3


def test_nothing_unfinished_stays(folder: Path) -> None:
    compiled(SPEC, WASM)
    assert list(folder.glob("edge-sdk-new-*")) == []


def test_the_entries_longest_unused_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_CACHE_BYTES", 250)
    files = FileCache(tmp_path)
    for number, key in enumerate("abc"):
        os.utime(files.put(key, ".wasm", key.encode() * 100), (number, number))
    assert [files.get(key, ".wasm") is not None for key in "abc"] == [False, True, True]
