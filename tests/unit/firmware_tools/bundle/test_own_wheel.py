from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edge_sdk.errors import ConfigError, SafetyError
from firmware_tools.bundle.own_wheel import differing_files, find_own_wheel
from tests.support import REPOSITORY

ARM = "edge_sdk-9.1.0-cp310-abi3-manylinux_2_17_aarch64.whl"


def test_the_wheel_of_version_and_processor_is_found_in_the_first_folder_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    (one / ARM.replace("9.1.0", "9.1.1")).touch()
    (one / ARM.replace("aarch64", "x86_64")).touch()
    (one / "edge_sdk-9.1.0-nonsense.whl").touch()
    (two / ARM).touch()
    assert find_own_wheel([one, two], "9.1.0", "aarch64") == two / ARM
    monkeypatch.setenv("PIP_FIND_LINKS", f"https://example.org {two}")
    assert find_own_wheel([one], "9.1.0", "aarch64") == two / ARM


def test_a_wheel_that_is_nowhere_is_refused_with_the_way_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(SafetyError, match=r"no wheel of edge-sdk 9\.1\.0 for aarch64 .*" + tmp_path.name) as caught:
        find_own_wheel([tmp_path], "9.1.0", "aarch64")
    assert "make wheels" in caught.value.hint


def running_wheel(path: Path) -> Path:
    """Write a wheel with the modules that run here."""
    with zipfile.ZipFile(path, "w") as archive:
        for root in (REPOSITORY / "sdk/edge_sdk", REPOSITORY / "firmware_tools"):
            for module in root.rglob("*.py"):
                archive.write(module, str(module.relative_to(root.parent)))
    return path


def test_a_wheel_of_other_code_is_told_apart(tmp_path: Path) -> None:
    path = running_wheel(tmp_path / ARM)
    assert differing_files(path) == 0
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("edge_sdk/extra.py", "x = 1")
        archive.writestr("somebody_else/extra.py", "x = 1")
    assert differing_files(path) == 1


def test_what_is_no_wheel_is_said(tmp_path: Path) -> None:
    (tmp_path / ARM).write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(ConfigError, match="is no wheel"):
        differing_files(tmp_path / ARM)
