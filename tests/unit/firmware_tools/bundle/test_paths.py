from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_sdk.errors import ConfigError
from firmware_tools.bundle.paths import check_paths, path_mistake


@given(st.text(max_size=60))
@example("a/../b")
@example("~/x")
@example("a/b/c")
def test_a_path_without_mistake_stays_inside(path: str) -> None:
    if path_mistake(path) is None:
        full = os.path.normpath(os.path.join("/slot", path))
        assert full == f"/slot/{path}"


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=4), max_size=6))
def test_paths_that_are_let_through_are_files_side_by_side(paths: list[str]) -> None:
    try:
        check_paths(paths)
    except ConfigError:
        return
    assert len({path.casefold() for path in paths}) == len(paths)


def test_real_names_pass() -> None:
    check_paths(["models/kws.wasm", "wheels/numpy-2.0.1-cp311-cp311-manylinux_2_17_x86_64.whl", "labels/größe.txt"])


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "A"], ["x/a", "X/b"], ["a", "a/b"], ["a/b", "a"]])
def test_paths_that_collide_are_refused(paths: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"path|folder|file"):
        check_paths(paths)


def test_a_path_that_passes_can_be_made(tmp_path: Path) -> None:
    path = "/".join(["d" * 25] * 8)
    assert path_mistake(path) is None
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
