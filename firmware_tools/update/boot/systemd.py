"""systemd: a unit that is a link into `current`, and a gate unit beside it that judges trials.

    /etc/systemd/system/
        edge-sdk-NAME.service -> /opt/edge-sdk/apps/NAME/current/system/edge-sdk-NAME.service
        edge-sdk-gate@.service                     the same for every application
        multi-user.target.wants/edge-sdk-NAME.service, edge-sdk-gate@NAME.service

So the unit of a version comes and goes with it. Most versions have the same one, and systemd reads units again only
when one has changed since it last did: that takes a large machine half a second. Nothing here waits for a start: who
asks may be part of the unit that is restarted (`choose` before a start, the gate after a revert), and a hung start must
not hang them.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from edge_sdk.errors import EdgeError
from firmware_tools.sign import durable
from firmware_tools.update.boot.base import (
    COMMAND_S,
    Run,
    Service,
    checked,
    clipped,
    is_machine,
    link_rules,
    reload_rules,
    run_command,
    system_file,
    unlink_rules,
)
from firmware_tools.update.folders import make_folders, point, remove_link, writing
from firmware_tools.update.layout import Layout
from firmware_tools.update.state import load_state

UNITS = "etc/systemd/system"
GATE = "edge-sdk-gate@.service"
RULES = "etc/udev/rules.d"
MOST_UNIT_BYTES = 1 << 20
#: No After= the application: a start that hangs would keep its own judge from starting. No CapabilityBoundingSet:
#: systemctl needs CAP_SYS_ADMIN, and looking at another user's process CAP_SYS_PTRACE. No MemoryDenyWriteExecute: the
#: golden vectors run compiled models. Writable are versions and state; see systemd.exec(5).
GATE_UNIT = """\
# Made by edge-sdk; changes are lost with the next update.
[Unit]
Description=edge-sdk: judge a new version of %i
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/opt/edge-sdk/launch device gate %i
Restart=on-failure
RestartSec=2
TimeoutStopSec=10
RuntimeDirectory=edge-sdk
RuntimeDirectoryPreserve=yes
ReadWritePaths=/opt/edge-sdk /var/lib/edge-sdk
UMask=0022
LockPersonality=yes
NoNewPrivileges=yes
PrivateTmp=yes
ProtectClock=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""
_ASKED = ("ActiveState", "SubState", "MainPID", "NRestarts", "StatusText", "Result")
_RUNNING = ("active", "reloading")


class SystemdBoot:
    """See `base.Boot`.

    Args:
        run: runs systemctl, journalctl and udevadm.
        live: whether there is a systemd to talk to; None: look.
    """

    def __init__(self, layout: Layout, run: Run = run_command, *, live: bool | None = None) -> None:
        self._layout = layout
        self._run = run
        self._units = layout.root / UNITS
        found = is_machine(layout) and (layout.root / "run/systemd/system").is_dir()
        self._live = found if live is None else live

    def install(self, name: str) -> None:
        wants = self._units / "multi-user.target.wants"
        make_folders(wants)
        self._write_gate()
        point(self._units / unit(name), system_file(name, unit(name)))
        point(wants / unit(name), f"/{UNITS}/{unit(name)}")
        point(wants / gate_unit(name), f"/{UNITS}/{GATE}")
        link_rules(self._layout, name)

    def _write_gate(self) -> None:
        path = self._units / GATE
        with writing(path):
            if path.is_file() and path.read_bytes() == GATE_UNIT.encode():
                return
        durable.write(path, GATE_UNIT.encode())

    def remove(self, name: str) -> None:
        if self._live:
            checked(self._run, ("systemctl", "stop", "--no-block", gate_unit(name), unit(name)))
        wants = self._units / "multi-user.target.wants"
        for link in (wants / unit(name), wants / gate_unit(name), self._units / unit(name)):
            remove_link(link)
        unlink_rules(self._layout, name)
        self.reload()

    def reload(self) -> None:
        if not self._live:
            return
        files = self._hash()
        known = _read(self._known)
        if known.startswith(files) and known == f"{files} {self._loaded()}":
            return
        checked(self._run, ("systemctl", "daemon-reload"))
        reload_rules(self._layout, self._run)
        self._remember(files)

    @property
    def _known(self) -> Path:
        """The file that says which units systemd has read, and when; forgotten at each boot."""
        return self._layout.root / "run/edge-sdk/.units"

    def _hash(self) -> str:
        """Return what changes with any of our units and rules."""
        digest = hashlib.sha256()
        for folder, pattern in ((self._units, "edge-sdk-*"), (self._layout.root / RULES, "*-edge-sdk-*.rules")):
            for path in sorted(folder.glob(pattern)):
                real = self._layout.root / os.readlink(path).lstrip("/") if path.is_symlink() else path
                digest.update(f"{path.name}\0{_read(real)}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _loaded(self) -> str:
        """Return when systemd has read units last, whoever asked for it; "" where it does not say (before 247)."""
        done = self._run(("systemctl", "show", "-p", "UnitsLoadTimestampMonotonic"), COMMAND_S)
        return done.stdout.strip() if done.returncode == 0 else ""

    def _remember(self, files: str) -> None:
        """Note what was read, unless it changed meanwhile."""
        loaded = self._loaded()
        with suppress(OSError, EdgeError):
            make_folders(self._known.parent)
            self._known.write_text(f"{files} {loaded}" if loaded and self._hash() == files else "")

    def restart(self, name: str) -> None:
        """Ask for the application first, then for the gate: the gate itself may be the one who asks, and dies of it.

        A gate that comes a moment late misses nothing: it judges only a process that runs the version on trial.
        """
        if not self._live:
            return
        # Forgets earlier failed starts, which would count against this one; an error means there were none.
        self._run(("systemctl", "reset-failed", unit(name), gate_unit(name)), 30.0)
        gate = [gate_unit(name)] if self._has_trial(name) else []
        checked(self._run, ("systemctl", "restart", "--no-block", unit(name), *gate))

    def judge(self, name: str) -> None:
        if self._live:
            checked(self._run, ("systemctl", "start", "--no-block", gate_unit(name)))

    def _has_trial(self, name: str) -> bool:
        try:
            return bool(load_state(self._layout.state(name)).trial)
        except (OSError, ValueError):
            return True  # the gate will find out

    def stop(self, name: str) -> None:
        if self._live:
            checked(self._run, ("systemctl", "stop", "--no-block", unit(name)))

    def service(self, name: str) -> Service:
        if not self._live:
            return Service(running=False, pid=0, starts=0, detail="nothing runs in a folder")
        return parse_show(checked(self._run, ("systemctl", "show", unit(name), "-p", ",".join(_ASKED))))

    def logs(self, name: str, lines: int) -> list[str]:
        if not self._live or lines <= 0:
            return []
        most = str(min(lines, 10_000))
        command = ("journalctl", "-u", unit(name), "-n", most, "-o", "short-iso", "--no-pager")
        return clipped(checked(self._run, command), lines)


def _read(path: Path) -> str:
    """Return a small text; "" where there is none."""
    try:
        return durable.read(path, MOST_UNIT_BYTES).decode("utf-8", "surrogateescape")
    except EdgeError:
        return ""


def unit(name: str) -> str:
    return f"edge-sdk-{name}.service"


def gate_unit(name: str) -> str:
    return f"edge-sdk-gate@{name}.service"


def parse_show(text: str) -> Service:
    """Return the service that `systemctl show` describes; a property that is not there is empty."""
    found = {key: value for key, mark, value in (line.partition("=") for line in text.splitlines()) if mark}
    active, result = found.get("ActiveState", "unknown"), found.get("Result", "")
    detail = f"{active} ({found.get('SubState', 'unknown')})"
    if result not in ("", "success"):
        detail += f", {result}"
    if said := found.get("StatusText", ""):
        detail += f": {said[:200]}"
    failed = ""
    if result == "oom-kill":
        failed = "it was killed: it took more memory than its unit allows"
    elif active == "failed":
        failed = f"systemd has given it up: {result}"
    return Service(
        running=active in _RUNNING,
        pid=_number(found, "MainPID"),
        starts=_number(found, "NRestarts"),
        detail=detail,
        failed=failed,
        starting=found.get("SubState", "").startswith("start"),
    )


def _number(found: dict[str, str], key: str) -> int:
    value = found.get(key, "")
    return int(value) if value.isdecimal() and len(value) < 10 else 0
