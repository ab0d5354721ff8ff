from __future__ import annotations

import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from firmware_tools.bundle.system_files import service_unit, udev_rules
from tests.support import require_tool


def unit(*, serial: bool, deadline_s: float = 0.0) -> str:
    return service_unit("press-7", 300, serial=serial, deadline_s=deadline_s)


def settings(text: str) -> ConfigParser:
    parser = ConfigParser(strict=False, delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_the_service_is_nobody_and_may_little() -> None:
    service = settings(unit(serial=True))["Service"]
    assert service["DynamicUser"] == "yes"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    assert service["MemoryMax"] == "300M"
    assert service["DevicePolicy"] == "closed"


def test_restarts_end() -> None:
    parsed = settings(unit(serial=False))
    assert (parsed["Service"]["Restart"], parsed["Unit"]["StartLimitIntervalSec"]) == ("on-failure", "0")


def test_it_starts_what_the_device_chose_and_is_ready_when_it_says_so() -> None:
    service = settings(unit(serial=True))["Service"]
    assert service["Type"] == "notify"
    assert service["ExecStartPre"] == "+/opt/edge-sdk/launch device choose press-7"
    assert service["ExecStart"] == "/opt/edge-sdk/launch app press-7"
    assert "WorkingDirectory" not in service


def test_the_health_file_lies_in_a_folder_of_the_service_that_outlives_a_restart() -> None:
    text = unit(serial=False)
    service = settings(text)["Service"]
    assert f"Environment=EDGE_SDK_HEALTH=/run/{service['RuntimeDirectory']}/health.json" in text.splitlines()
    assert service["RuntimeDirectoryPreserve"] == "restart"


def test_the_watchdog_bears_the_longest_inference_and_the_start_the_compiler() -> None:
    service = settings(unit(serial=True))["Service"]
    assert (service["WatchdogSec"], service["TimeoutStartSec"]) == ("30", "180")
    assert settings(unit(serial=True, deadline_s=45.2))["Service"]["WatchdogSec"] == "91"


@pytest.mark.parametrize("serial", [False, True])
def test_systemd_has_nothing_against_it(tmp_path: Path, serial: bool) -> None:
    analyze = require_tool("systemd-analyze", "systemd")
    launch = tmp_path / "launch"
    launch.write_text("#!/bin/sh\n")
    launch.chmod(0o755)
    file = tmp_path / "edge-sdk-press-7.service"
    file.write_text(unit(serial=serial).replace("/opt/edge-sdk/launch", str(launch)))
    done = subprocess.run([analyze, "verify", "--man=no", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_without_serial_ports_there_are_no_devices() -> None:
    service = settings(unit(serial=False))["Service"]
    assert service["PrivateDevices"] == "yes"
    assert "DeviceAllow" not in service


def test_each_way_to_name_a_port_has_its_rule() -> None:
    rules = udev_rules(
        {
            "a": "usb:0403:6001:BG03",
            "b": "usb:10C4:EA60",
            "c": "/dev/serial/by-id/usb-FTDI_x-if00-port0",
            "d": "/dev/ttyS0",
        }
    ).splitlines()
    assert 'ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6001", ATTRS{serial}=="BG03", GROUP="dialout"' in rules[3]
    assert 'ATTRS{idVendor}=="10c4", ATTRS{idProduct}=="ea60", GROUP' in rules[5]
    assert 'ENV{DEVLINKS}=="*/dev/serial/by-id/usb-FTDI_x-if00-port0*"' in rules[7]
    assert 'KERNEL=="ttyS0"' in rules[9]


def test_ports_the_device_names_have_no_rule() -> None:
    assert udev_rules({"a": "${env:PORT}"}) == ""
    assert udev_rules({}) == ""


def test_no_name_of_a_port_ends_the_quotes() -> None:
    rules = udev_rules({"a": 'usb:0403:6001:x", RUN+="/bin/sh\n$*[%'})
    assert "RUN+=" not in rules.replace("?", "")
    assert rules.count('"') == udev_rules({"a": "usb:0403:6001:x"}).count('"')
    assert len(rules.splitlines()) == 5
