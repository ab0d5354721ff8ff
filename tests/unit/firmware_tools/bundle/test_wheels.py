from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.errors import ConfigError, SafetyError, TargetNotFoundError
from firmware_tools.bundle.wheels import collect_wheels, wheel_arches

NATIVE = "numpy-2.2.0-cp311-cp311-manylinux_2_17_{0}.manylinux2014_{0}.whl"


@pytest.mark.parametrize(
    ("name", "arches"),
    [
        ("rich-13.9.4-py3-none-any.whl", {"aarch64", "x86_64"}),
        (NATIVE.format("aarch64"), {"aarch64"}),
        ("wasmtime-50.0.1-1-py3-none-musllinux_1_2_x86_64.whl", {"x86_64"}),
        ("x-1-py3-none-linux_aarch64.whl", {"aarch64"}),
    ],
)
def test_a_name_says_where_a_wheel_runs(name: str, arches: set[str]) -> None:
    assert wheel_arches(name) == arches


@pytest.mark.parametrize(
    "name", ["x-1-py3-none-win_amd64.whl", "x-1-py3-none-linux_armv7l.whl", "x-1-cp311-cp311-macosx_11_0_arm64.whl"]
)
def test_a_wheel_for_another_system_is_refused(name: str) -> None:
    with pytest.raises(SafetyError, match="expected Linux"):
        wheel_arches(name)


@pytest.mark.parametrize("name", ["x.whl", "x-1.tar.gz", "../x-1-py3-none-any.whl", "x-1-py3-none-any.whl.part"])
def test_another_file_is_no_wheel(name: str) -> None:
    with pytest.raises(ConfigError, match="no wheel's name"):
        wheel_arches(name)


def house(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"wheel")
    return folder


def test_one_native_wheel_fixes_the_architecture(tmp_path: Path) -> None:
    contents, arch = collect_wheels(house(tmp_path, "rich-13-py3-none-any.whl", NATIVE.format("aarch64")), "any")
    assert arch == "aarch64"
    assert [one.path for one in contents] == [f"wheels/{NATIVE.format('aarch64')}", "wheels/rich-13-py3-none-any.whl"]


def test_pure_wheels_leave_it_open(tmp_path: Path) -> None:
    assert collect_wheels(house(tmp_path, "rich-13-py3-none-any.whl"), "any")[1] == "any"


def test_a_wheel_of_another_board_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SafetyError, match="does not run on aarch64"):
        collect_wheels(house(tmp_path, NATIVE.format("x86_64")), "aarch64")


def test_wheels_that_never_run_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SafetyError):
        collect_wheels(house(tmp_path, NATIVE.format("x86_64"), "a-1-py3-none-linux_aarch64.whl"), "any")


def test_two_versions_of_one_project_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two wheels of typing-extensions"):
        collect_wheels(
            house(tmp_path, "typing_extensions-4-py3-none-any.whl", "Typing.Extensions-5-py3-none-any.whl"), "any"
        )


def test_an_empty_or_absent_folder_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "no"):
        with pytest.raises(TargetNotFoundError):
            collect_wheels(folder, "any")
