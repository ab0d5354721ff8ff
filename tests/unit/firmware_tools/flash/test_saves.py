from __future__ import annotations

import os
from pathlib import Path

from firmware_tools.bundle.workshop import Signature, signature_of
from firmware_tools.flash.saves import MOST_RESTLESS, Saves

A, B = Path("a"), Path("b")


class Files:
    """What a disk would say."""

    def __init__(self, **versions: int | None) -> None:
        self.versions = {Path(name): version for name, version in versions.items()}

    def look(self, path: Path) -> Signature | None:
        version = self.versions.get(path)
        return None if version is None else (version, 0, 0, 0)


def saves_of(files: Files) -> Saves:
    saves = Saves(files.look)
    saves.follow([A, B])
    return saves


def test_nothing_was_saved() -> None:
    saves = saves_of(Files(a=1, b=1))
    assert [saves.poll() for _ in range(3)] == [[], [], []]


def test_a_save_is_told_once_when_the_file_lies_still() -> None:
    files = Files(a=1, b=1)
    saves = saves_of(files)
    files.versions[B] = 2
    assert [saves.poll() for _ in range(4)] == [[], [B], [], []]


def test_a_burst_of_saves_is_one() -> None:
    files = Files(a=1, b=1)
    saves = saves_of(files)
    told = []
    for version in range(2, 6):
        files.versions |= {A: version, B: version}
        told.append(saves.poll())
    assert told == [[]] * 4
    assert saves.poll() == [A, B]


def test_a_file_that_is_away_for_a_moment_was_replaced() -> None:
    files = Files(a=1, b=1)
    saves = saves_of(files)
    told = []
    for version in (None, 2, 2, 2):
        files.versions[A] = version
        told.append(saves.poll())
    assert told == [[], [], [A], []]


def test_a_file_that_is_not_there_yet_can_be_saved() -> None:
    files = Files(a=1)
    saves = saves_of(files)
    files.versions[B] = 1
    assert [saves.poll(), saves.poll()] == [[], [B]]


def test_a_file_that_is_written_all_the_time_is_taken_as_it_is() -> None:
    files = Files(a=1, b=1)
    saves = saves_of(files)
    told = []
    for version in range(2, 2 + MOST_RESTLESS):
        files.versions[A] = version
        told.append(saves.poll())
    assert told == [[]] * (MOST_RESTLESS - 1) + [[A]]


def test_what_was_written_before_it_was_followed_is_no_save_and_what_is_dropped_none_either() -> None:
    files = Files(a=1, b=1)
    saves = saves_of(files)
    saves.follow([A])
    files.versions |= {A: 2, B: 2}
    saves.poll()
    assert saves.poll() == [A]
    saves.follow([A, B])
    assert [saves.poll(), saves.poll()] == [[], []]


def test_following_again_forgets_no_save() -> None:
    files = Files(a=1, b=1)
    saves = saves_of(files)
    files.versions[A] = 2
    saves.follow([A, B])  # as after a round, during which it was saved
    saves.poll()
    assert saves.poll() == [A]


def test_a_write_and_a_rename_over_a_real_file_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.toml"
    path.write_text("one")
    saves = Saves()
    saves.follow([path])
    path.write_text("two")
    assert (saves.poll(), saves.poll()) == ([], [path])
    beside = tmp_path / ".swap"
    beside.write_text("six")
    os.utime(beside, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    beside.replace(path)
    assert (saves.poll(), saves.poll()) == ([], [path])
    path.unlink()
    assert (saves.poll(), saves.poll()) == ([], [path])
    assert signature_of(path) is None
