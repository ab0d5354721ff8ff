from __future__ import annotations

from configparser import ConfigParser

from firmware_tools.bundle.system_files import service_unit, udev_rules


def unit(*, serial: bool) -> str:
    return service_unit("press-7", 300, serial=serial)


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
    assert (parsed["Service"]["Restart"], parsed["Unit"]["StartLimitBurst"]) == ("on-failure", "5")


def test_no_watchdog_is_promised_that_nobody_feeds() -> None:
    assert "WatchdogSec" not in unit(serial=True)


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
