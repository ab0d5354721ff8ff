from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge_sdk.errors import ConfigError, TargetNotFoundError
from edge_sdk.sensors.ports import Port, resolve_port, seen_ports, warn_if_numbered

PORTS = [
    Port("/dev/ttyACM0", "other", "usb:2341:0043"),
    Port("/dev/ttyS0"),
    Port("/dev/ttyUSB0", "FTDI", "usb:0403:6001:AAA"),
    Port("/dev/ttyUSB1", "FTDI", "usb:0403:6001:BBB"),
]


def seen() -> list[Port]:
    return PORTS


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("usb:0403:6001:BBB", "/dev/ttyUSB1"),
        ("usb:2341:0043", "/dev/ttyACM0"),
        ("/dev/null", "/dev/null"),
    ],
)
def test_a_name_means_one_device(name: str, device: str) -> None:
    assert resolve_port(name, seen) == device


def test_hexadecimal_digits_may_be_of_either_case() -> None:
    assert resolve_port("usb:AbCd:00eF:Sn", lambda: [Port("/dev/x", "", "usb:abcd:00ef:Sn")]) == "/dev/x"


@pytest.mark.parametrize("name", ["usb:0403:6001:CCC", "usb:0403:6002", "usb:0403:6001:aaa", "/dev/not-there"])
def test_a_name_that_nothing_answers_to_lists_the_ports_seen(name: str) -> None:
    with pytest.raises(TargetNotFoundError) as caught:
        resolve_port(name, seen)
    assert caught.value.message.startswith(f"serial port {name}: not there; ports seen: ")
    assert "/dev/ttyUSB0 (usb:0403:6001:AAA)" in caught.value.message
    assert caught.value.hint == "edge-sdk doctor"


def test_a_name_that_two_ports_answer_to_is_ambiguous() -> None:
    with pytest.raises(TargetNotFoundError, match=r"more than one.*AAA.*BBB"):
        resolve_port("usb:0403:6001", seen)


def test_the_ports_of_one_adapter_share_its_id_and_are_told_apart_by_their_path() -> None:
    twins = [Port(f"/dev/ttyUSB{number}", "", "usb:0403:6011:FT1") for number in range(2)]
    with pytest.raises(TargetNotFoundError, match=r"ttyUSB0.*ttyUSB1") as caught:
        resolve_port("usb:0403:6011:FT1", lambda: twins)
    assert "/dev/serial/by-id" in caught.value.hint


def test_a_damaged_usb_id_says_what_one_looks_like() -> None:
    with pytest.raises(ConfigError, match="expected usb:VID:PID"):
        resolve_port("usb:403:6001", seen)


def test_only_numbered_names_are_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    warn_if_numbered("/dev/serial/by-id/usb-FTDI-port0")
    warn_if_numbered("/dev/ttyS0")
    assert not caplog.records
    warn_if_numbered("/dev/ttyUSB0")
    assert "depends on the order of plugging" in caplog.text


def test_the_ports_of_this_machine_can_be_listed() -> None:
    assert all(Path(port.device).is_absolute() for port in seen_ports())
