"""The systemd unit and the udev rules of an application: text from the pipeline, the same for the same pipeline.

The unit runs what /opt/edge-sdk/apps/NAME/current leads to, under a user that exists only while it runs. Before each
start, and as root (`+`), the device's side chooses what `current` is: that is where an attempt of a new version is
counted. `edge-sdk run` says READY=1 when its sources are open, which may take as long as compiling the models does, and
WATCHDOG=1 between its steps from then on. MemoryDenyWriteExecute is absent: the sandbox maps compiled code. See
systemd.exec(5), systemd.service(5), udev(7).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

UNIT = """\
# Made by edge-sdk; changes are lost with the next update.
[Unit]
Description=edge-sdk pipeline {name}
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStartPre=+/opt/edge-sdk/launch device choose {name}
ExecStart=/opt/edge-sdk/launch app {name}
Environment=PYTHONUNBUFFERED=1
Environment=EDGE_SDK_CACHE=/var/cache/edge-sdk-{name}
Environment=EDGE_SDK_HEALTH=/run/edge-sdk/{name}/health.json
EnvironmentFile=-/etc/edge-sdk/{name}.env
Restart=on-failure
RestartSec=3
TimeoutStartSec=180
TimeoutStopSec=15
WatchdogSec={watchdog_s}
MemoryMax={memory_mib}M
TasksMax=256

DynamicUser=yes
SupplementaryGroups={groups}
RuntimeDirectory=edge-sdk/{name}
RuntimeDirectoryPreserve=restart
StateDirectory=edge-sdk-{name}
CacheDirectory=edge-sdk-{name}
CacheDirectoryMode=0700
UMask=0077
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
LockPersonality=yes
PrivateTmp=yes
{devices}
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""
#: The longest silence of a healthy pipeline, unless one of its models may take longer.
WATCHDOG_S = 30
_SERIAL_DEVICES = """\
DevicePolicy=closed
DeviceAllow=char-ttyUSB rw
DeviceAllow=char-ttyACM rw
DeviceAllow=char-ttyS rw
DeviceAllow=char-ttyAMA rw
DeviceAllow=char-ttyTHS rw"""
_USB = re.compile(r"usb:([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})(?::(.+))?", re.DOTALL)
_BY_ID = "/dev/serial/by-id/"


def service_unit(name: str, memory_mib: int, *, serial: bool, deadline_s: float = 0.0) -> str:
    """Return the unit of an application.

    Args:
        memory_mib: most resident memory.
        serial: whether it opens serial ports.
        deadline_s: the longest that one inference may take; nothing is heard of the pipeline meanwhile.
    """
    watchdog_s = max(WATCHDOG_S, math.ceil(2 * deadline_s))
    devices = _SERIAL_DEVICES if serial else "PrivateDevices=yes"
    groups = "dialout" if serial else ""
    return UNIT.format(name=name, memory_mib=memory_mib, groups=groups, devices=devices, watchdog_s=watchdog_s)


def udev_rules(ports: Mapping[str, str]) -> str:
    """Return rules that give the group dialout the ports, and keep ModemManager off them; "" for none.

    Args:
        ports: source -> port as written in the pipeline; one that comes from the environment has no rule.
    """
    rules = [f"# {source}\n{match}, {_THEN}" for source, port in sorted(ports.items()) if (match := _match(port))]
    if not rules:
        return ""
    head = '# Made by edge-sdk; changes are lost with the next update.\nACTION=="remove", GOTO="edge_sdk_end"'
    return "\n".join([head, *rules, 'LABEL="edge_sdk_end"']) + "\n"


_THEN = 'GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"'


def _match(port: str) -> str:
    if "${" in port:
        return ""
    usb = _USB.fullmatch(port)
    if usb:
        vid, pid, serial = usb.groups()
        text = f'SUBSYSTEM=="tty", ATTRS{{idVendor}}=="{vid.lower()}", ATTRS{{idProduct}}=="{pid.lower()}"'
        return text + (f', ATTRS{{serial}}=="{_pattern(serial)}"' if serial else "")
    if port.startswith(_BY_ID):
        return f'SUBSYSTEM=="tty", ENV{{DEVLINKS}}=="*{_BY_ID}{_pattern(port[len(_BY_ID) :])}*"'
    if port.startswith("/dev/tty"):
        return f'SUBSYSTEM=="tty", KERNEL=="{_pattern(port[len("/dev/") :])}"'
    return ""


def _pattern(text: str) -> str:
    """Return text as a udev pattern: what has a meaning there or could end the quotes matches any one character."""
    return re.sub(r"[^A-Za-z0-9._:+-]", "?", text)
