"""Which serial ports there are, and which of them a name means.

Names that stay the same when the cable moves are `usb:VID:PID[:SERIAL]` and paths below /dev/serial/by-id; a path such
as /dev/ttyUSB0 works too, but belongs to whichever adapter came first.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from edge_sdk.errors import ConfigError, TargetNotFoundError

log = logging.getLogger(__name__)
_USB = re.compile(r"usb:([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})(?::(.+))?")
_NUMBERED = re.compile(r"/dev/tty(USB|ACM)\d+")


@dataclass(frozen=True)
class Port:
    """One serial port of this machine; `usb_id` is "usb:VID:PID:SERIAL", or "" for ports that are not USB."""

    device: str
    description: str = ""
    usb_id: str = ""


def seen_ports() -> list[Port]:
    """Return the serial ports of this machine, sorted by device."""
    ports = []
    for info in sorted(list_ports.comports(), key=lambda info: str(info.device)):
        usb = ""
        if info.vid is not None and info.pid is not None:
            usb = f"usb:{info.vid:04x}:{info.pid:04x}" + (f":{info.serial_number}" if info.serial_number else "")
        ports.append(Port(str(info.device), str(info.description or ""), usb))
    return ports


def resolve_port(name: str, ports: Callable[[], Sequence[Port]] = seen_ports) -> str:
    """Return the path of the device that `name` means now.

    Raises:
        ConfigError: `name` looks like a USB id but is not one.
        TargetNotFoundError: nothing answers to the name, or more than one port does.
    """
    if not name.startswith("usb:"):
        if not Path(name).exists():
            raise TargetNotFoundError(f"serial port {name}: not there; {_listing(ports())}", hint="edge-sdk doctor")
        return name
    wanted = _USB.fullmatch(name)
    if wanted is None:
        raise ConfigError(
            f"serial port {name!r}: expected usb:VID:PID or usb:VID:PID:SERIAL, such as usb:0403:6001:A50285BI"
        )
    seen = list(ports())
    found = [port for port in seen if _is(port, wanted)]
    if not found:
        raise TargetNotFoundError(f"serial port {name}: not there; {_listing(seen)}", hint="edge-sdk doctor")
    if len(found) > 1:
        names = ", ".join(f"{port.usb_id} ({port.device})" for port in found)
        # The ports of one multi-port adapter share its id.
        raise TargetNotFoundError(
            f"serial port {name}: more than one answers to this name: {names}", hint="ls -l /dev/serial/by-id"
        )
    return found[0].device


def warn_if_numbered(name: str) -> None:
    """Warn about a path that may be another device after the next start."""
    if _NUMBERED.fullmatch(name):
        log.warning(
            "serial port %s: the name depends on the order of plugging; prefer usb:VID:PID:SERIAL or /dev/serial/by-id",
            name,
        )


def _is(port: Port, wanted: re.Match[str]) -> bool:
    vid, pid, serial = wanted.groups()
    head = f"usb:{vid}:{pid}".lower()
    if serial is None:
        return port.usb_id.lower() == head or port.usb_id.lower().startswith(head + ":")
    return port.usb_id.lower().startswith(head + ":") and port.usb_id[len(head) + 1 :] == serial


def _listing(ports: Sequence[Port]) -> str:
    if not ports:
        return "no serial port is seen on this machine"
    return "ports seen: " + ", ".join(
        f"{port.device} ({port.usb_id})" if port.usb_id else port.device for port in ports
    )
