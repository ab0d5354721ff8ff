from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_sdk.runtime.real_folder import real_folder

ME = os.geteuid()
#: A user who is neither us nor root.
OTHER = 60_123


def test_a_path_without_links_is_itself(tmp_path: Path) -> None:
    assert real_folder(tmp_path) == tmp_path


def test_what_does_not_exist_yet_is_taken_as_it_is(tmp_path: Path) -> None:
    assert real_folder(tmp_path / "a/b") == tmp_path / "a/b"


def test_no_way_leads_back_out_of_what_does_not_exist(tmp_path: Path) -> None:
    assert real_folder(tmp_path / "a/../b") is None


def test_a_relative_path_begins_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert real_folder(Path("a")) == tmp_path / "a"


@pytest.mark.parametrize("target", ["real/deep", "./real/../real/deep", "again"])
def test_links_of_ours_are_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "again").symlink_to(tmp_path / "real/deep")
    (tmp_path / "link").symlink_to(target)
    assert real_folder(tmp_path / "link/x") == tmp_path / "real/deep/x"


def test_a_dangling_link_leads_to_what_does_not_exist_yet(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("later")
    assert real_folder(tmp_path / "link") == tmp_path / "later"


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many links"):
        real_folder(tmp_path / "a")


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o770])
def test_a_link_in_a_folder_that_others_write_is_not_followed(tmp_path: Path, mode: int) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open/link").symlink_to(tmp_path)
    (tmp_path / "open").chmod(mode)
    assert real_folder(tmp_path / "open/link") is None


def test_neither_is_one_below_such_a_folder(tmp_path: Path) -> None:
    (tmp_path / "open/mine").mkdir(parents=True)
    (tmp_path / "open/mine/link").symlink_to(tmp_path)
    (tmp_path / "open").chmod(0o777)
    assert real_folder(tmp_path / "open/mine/link") is None


def test_a_link_of_ours_in_a_sticky_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "tmp/link").symlink_to(tmp_path)
    assert real_folder(tmp_path / "tmp/link") == tmp_path


@pytest.mark.skipif(ME != 0, reason="gives files to another user")
class TestAnotherUser:
    """Needs root: files are given away."""

    def test_whose_link_lies_in_a_sticky_folder_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "tmp").mkdir()
        (tmp_path / "tmp").chmod(0o1777)
        (tmp_path / "tmp/link").symlink_to(tmp_path)
        os.chown(tmp_path / "tmp/link", OTHER, OTHER, follow_symlinks=False)
        assert real_folder(tmp_path / "tmp/link") is None

    def test_who_owns_the_links_folder_is_not_followed_whoever_owns_the_link(self, tmp_path: Path) -> None:
        (tmp_path / "his").mkdir(mode=0o755)
        (tmp_path / "his/link").symlink_to(tmp_path)
        os.chown(tmp_path / "his", OTHER, OTHER)
        assert real_folder(tmp_path / "his/link") is None

    def test_who_owns_a_folder_behind_the_first_link_is_not_followed_any_further(self, tmp_path: Path) -> None:
        (tmp_path / "his").mkdir(mode=0o755)
        (tmp_path / "his/second").symlink_to(tmp_path)
        (tmp_path / "first").symlink_to("his/second")
        os.chown(tmp_path / "his", OTHER, OTHER)
        assert real_folder(tmp_path / "first") is None

    def test_a_service_follows_roots_link_to_a_folder_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "private/line").mkdir(parents=True)
        os.chown(tmp_path / "private/line", OTHER, OTHER)
        (tmp_path / "line").symlink_to("private/line")
        assert real_folder(tmp_path / "line", OTHER) == tmp_path / "private/line"
