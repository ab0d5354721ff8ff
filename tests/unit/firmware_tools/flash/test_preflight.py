from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from edge_sdk.errors import SafetyError
from firmware_tools.bundle import Device
from firmware_tools.bundle.manifest import FileEntry, Manifest
from firmware_tools.flash.preflight import Machine, Needs, preflight
from firmware_tools.flash.wheels import Interpreter
from tests.unit.firmware_tools.bundles import FILES, manifest_of

PYTHON = Interpreter((3, 11), "glibc", (2, 36), "x86_64")
MACHINE = Machine("root@x", Device("sim", "x86_64", ram_mib=4096), PYTHON, utc_s=1_800_000_000)
NEEDS = Needs(sent_bytes=1000, slot_bytes=1000, slot_files=2)


def with_wheel(name: str) -> Manifest:
    plain = manifest_of(FILES)
    wheel = FileEntry(path=f"wheels/{name}", role="wheel", sha256="cd" * 32, size=1)
    return msgspec.structs.replace(plain, files=(*plain.files, wheel))


def test_a_machine_that_will_do_is_not_complained_about() -> None:
    assert preflight(with_wheel("edge_sdk-0.1.0-cp310-abi3-manylinux_2_28_x86_64.whl"), MACHINE, NEEDS) == []


def test_room_is_needed_twice() -> None:
    needed = 2 * NEEDS.bytes
    preflight(manifest_of(FILES), replace(MACHINE, free_bytes=needed, free_inodes=2 * NEEDS.inodes), NEEDS)
    with pytest.raises(SafetyError, match="twice what is written"):
        preflight(manifest_of(FILES), replace(MACHINE, free_bytes=needed - 1), NEEDS)
    with pytest.raises(SafetyError, match="has room for 71 more files, expected 72"):
        preflight(manifest_of(FILES), replace(MACHINE, free_inodes=71), NEEDS)


@pytest.mark.parametrize(
    ("machine", "part"),
    [
        (replace(MACHINE, pointer_bits=32), "runs a 32-bit system; the engine needs 64 bits"),
        (replace(MACHINE, interpreter=None), "has no Python"),
        (replace(MACHINE, interpreter=replace(PYTHON, python=(3, 9))), r"has Python 3\.9; 3\.10 or newer"),
        (replace(MACHINE, device=Device("sim", "x86_64", ram_mib=100)), "needs 256 MiB of memory; this device has 100"),
        (replace(MACHINE, device=Device("sim", "x86_64", sdk="9.9.9")), "this device has 9.9.9"),
    ],
)
def test_a_machine_that_cannot_run_it_is_refused(machine: Machine, part: str) -> None:
    with pytest.raises(SafetyError, match=part):
        preflight(manifest_of(FILES), machine, NEEDS)


def test_another_board_or_processor_is_refused() -> None:
    needs = msgspec.structs.replace(manifest_of(FILES).requires, boards=("raspberrypi-5",), arch="aarch64")
    with pytest.raises(SafetyError, match="is for aarch64 machines; this device is x86_64"):
        preflight(msgspec.structs.replace(manifest_of(FILES), requires=needs), MACHINE, NEEDS)
    needs = msgspec.structs.replace(needs, arch="any")
    with pytest.raises(SafetyError, match="is for raspberrypi-5; this device is sim"):
        preflight(msgspec.structs.replace(manifest_of(FILES), requires=needs), MACHINE, NEEDS)


def test_wheels_for_another_python_are_refused() -> None:
    with pytest.raises(SafetyError, match=r"is for cp312-cp312; the target has Python 3\.11"):
        preflight(with_wheel("numpy-2.1.0-cp312-cp312-manylinux_2_17_x86_64.whl"), MACHINE, NEEDS)


def test_a_clock_that_was_never_set_is_told_and_decides_nothing() -> None:
    (warning,) = preflight(manifest_of(FILES), replace(MACHINE, utc_s=1), NEEDS)
    assert "its clock was never set" in warning
    assert preflight(manifest_of(FILES), replace(MACHINE, utc_s=4_070_908_800), NEEDS) == []


def test_a_folder_needs_no_python_and_no_clock() -> None:
    assert preflight(manifest_of(FILES), replace(MACHINE, interpreter=None, utc_s=0, runs=False), NEEDS) == []
