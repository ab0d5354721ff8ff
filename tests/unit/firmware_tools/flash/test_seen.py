from __future__ import annotations

from pathlib import Path

import pytest

from firmware_tools.flash.seen import recovery_devices


def attach(root: Path, place: str, vendor: str, product: str) -> None:
    folder = root / "sys/bus/usb/devices" / place
    folder.mkdir(parents=True)
    (folder / "idVendor").write_text(f"{vendor}\n")
    (folder / "idProduct").write_text(f"{product}\n")


@pytest.mark.parametrize(
    ("vendor", "product", "name"),
    [
        ("0955", "7323", "NVIDIA Jetson (APX)"),
        ("0955", "7523", "NVIDIA Jetson (APX)"),
        ("0955", "7026", "NVIDIA Jetson Thor (APX)"),
        ("0a5c", "2712", "Raspberry Pi 5 (BCM2712 boot)"),
    ],
)
def test_a_board_in_recovery_mode_is_told_and_left_alone(tmp_path: Path, vendor: str, product: str, name: str) -> None:
    attach(tmp_path, "1-2", vendor, product)
    attach(tmp_path, "1-3", "046d", "c077")
    assert recovery_devices(tmp_path) == [
        f"USB 1-2: {name}, in recovery mode; writing whole disks is not part of this version"
    ]


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert recovery_devices(tmp_path) == []
    (tmp_path / "sys/bus/usb/devices/usb1").mkdir(parents=True)
    assert recovery_devices(tmp_path) == []
