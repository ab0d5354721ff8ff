"""`edge-sdk doctor`: what this machine is, what runs here and why, what is missing and the command that mends it."""

from __future__ import annotations

import argparse
import faulthandler
import getpass
import grp
import json
import os
import shlex
import shutil
import subprocess
import sys
from glob import glob
from importlib import metadata
from pathlib import Path
from typing import Any

from edge_sdk.board import Board, Detection, Probe, identify, load_boards, read_probe
from edge_sdk.cli.checks import (
    Check,
    Engines,
    SerialPort,
    check_board,
    check_board_ports,
    check_broker,
    check_cache,
    check_cpu,
    check_engines,
    check_faulthandler,
    check_foreign,
    check_memory,
    check_package,
    check_python,
    check_serial,
    lacking,
)
from edge_sdk.cli.engines import try_engines, try_foreign
from edge_sdk.errors import MissingExtraError

#: package -> (why, whether edge-sdk works without it)
PACKAGES = {
    "wasmtime": ("runs models", False),
    "paho-mqtt": ("publishes results", False),
    "pyserial": ("reads sensors", False),
    "cryptography": ("signs bundles and checks signatures", True),
    "amqtt": ("the demo's own broker", True),
}
_EXAMPLE = """examples:
  edge-sdk doctor
  edge-sdk doctor --json | jq .isa
  edge-sdk doctor --board raspberrypi-5 --fix

exit code: 13 when something that the main job needs is missing"""
_MARKS = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--board", metavar="B", default="", help="judge this machine as board B (default: detected)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--fix", action="store_true", help="print what mends each point; run what cannot do harm")


def run(args: argparse.Namespace) -> int:
    """Look, print, and say by the exit code whether the main job can run."""
    catalogue = load_boards()
    probe = read_probe(look_for=catalogue.files_to_look_for())
    found = identify(probe, catalogue, args.board)
    engines = try_engines(found.board.engine.order if found.board is not None else ("host", "sandbox"))
    checks = examine(found, probe, engines)
    if args.fix and any(mend(one) for one in checks):
        checks = examine(found, probe, engines)
    if args.json:
        print(json.dumps(as_object(found, probe, engines, checks), indent=2))
    else:
        print("\n".join(as_lines(found, engines, checks)))
    return MissingExtraError.exit_code if lacking(checks) else 0


def examine(found: Detection, probe: Probe, engines: Engines) -> list[Check]:
    """Make every check."""
    board: Board | None = found.board
    return [
        check_board(found),
        check_cpu(board, probe),
        check_memory(board, probe),
        check_python(sys.version_info[:3], probe.pointer_bits),
        *(check_package(name, _version(name), why, optional=optional) for name, (why, optional) in PACKAGES.items()),
        *check_engines(engines),
        *(check_foreign(name, one.outcome, one.isa, one.mend) for name, one in try_foreign().items()),
        check_cache(_cache_folder(), os.geteuid()),
        check_faulthandler(faulthandler.is_enabled()),
        check_broker(shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")),
        *check_serial(_serial_ports(), _user()),
        check_board_ports(board, lambda path: bool(glob(path))),
    ]


def as_object(found: Detection, probe: Probe, engines: Engines, checks: list[Check]) -> dict[str, Any]:
    """Return what `--json` prints. The keys are stable."""
    failed = [f"{name}: {text}" for name, text in engines.tests.items() if text != "ok"]
    return {
        "board": found.board.name if found.board is not None else None,
        "board_title": found.board.title if found.board is not None else None,
        "board_exact": found.exact,
        "board_evidence": list(found.evidence),
        "board_statement": found.statement,
        "arch": probe.arch,
        "cpu": probe.cpu,
        "cpu_features": sorted(probe.cpu_features),
        "cores": probe.cores,
        "memory_mib": probe.memory_mib,
        "engine": engines.engine or None,
        "isa": engines.isa or None,
        "engine_reason": engines.reason,
        "self_test": "; ".join(failed) or "ok",
        "self_tests": dict(engines.tests),
        "python": ".".join(map(str, sys.version_info[:3])),
        "wasmtime": _version("wasmtime"),
        "edge_sdk": _version("edge-sdk"),
        "serial_ports": [
            {"device": port.device, "by_id": port.by_id, "usable": port.usable} for port in _serial_ports()
        ],
        "checks": [{key: getattr(one, key) for key in ("name", "state", "needed", "detail", "fix")} for one in checks],
        "ready": not lacking(checks),
    }


def as_lines(found: Detection, engines: Engines, checks: list[Check]) -> list[str]:
    """Return the lines for people."""
    name = found.board.name if found.board is not None else "unknown"
    engine = f"{engines.engine} ({engines.isa}), {engines.reason}" if engines.engine else "none works"
    lines = [f"board   {name}", f"engine  {engine}", ""]
    width = max(len(one.name) for one in checks)
    for one in checks:
        lines.append(f"{_MARKS[one.state]} {one.name.ljust(width)}  {one.detail}")
        if one.fix:
            lines.append(f"{' ' * (len(_MARKS['ok']) + 1)}{' ' * width}  try: {one.fix}")
    missing = lacking(checks)
    last = f"the main job cannot run: {', '.join(one.name for one in missing)}" if missing else "the main job can run"
    return [*lines, "", last]


def mend(one: Check) -> bool:
    """Run a check's command if that cannot do harm; return whether it was run with success."""
    if not one.fix:
        return False
    print(f"{one.name}: {one.fix}", file=sys.stderr)
    if not one.safe:
        return False
    return subprocess.run(shlex.split(one.fix), check=False).returncode == 0


def _serial_ports() -> list[SerialPort]:
    try:
        from edge_sdk.sensors.ports import seen_ports
    except ImportError:  # pyserial; check_package says so
        return []
    stable = {os.path.realpath(path): path for path in glob("/dev/serial/by-id/*")}
    return [
        SerialPort(
            device=port.device,
            by_id=stable.get(os.path.realpath(port.device), ""),
            description=port.usb_id or port.description,
            usable=os.access(port.device, os.R_OK | os.W_OK),
            group=_group_of(port.device),
        )
        for port in seen_ports()
    ]


def _group_of(device: str) -> str:
    try:
        return grp.getgrgid(os.stat(device).st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"


def _cache_folder() -> Path | None:
    """Return where the runtime keeps compiled models, only asked for, not made; None for a user without a home."""
    named = os.environ.get("EDGE_SDK_CACHE")
    if named:
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-sdk"
    except RuntimeError:
        return None


def _user() -> str:
    """Return the user's name, or the number where nothing knows a name (containers with a user of their own)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
