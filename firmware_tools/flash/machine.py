"""What the probe saw, in the words of those who judge it: boards, `requires`, wheels and room."""

from __future__ import annotations

import platform
import re
from importlib import metadata

from edge_sdk.board import load_boards
from firmware_tools.bundle import Device as Requirer
from firmware_tools.bundle import Manifest
from firmware_tools.flash.preflight import Machine
from firmware_tools.flash.probe import TargetFacts
from firmware_tools.flash.target import Place
from firmware_tools.flash.wheels import Interpreter, misfit
from firmware_tools.update.site import site_of


def interpreter_of(facts: TargetFacts) -> Interpreter | None:
    """Return the target's Python, None where it has none."""
    numbers = _numbers(facts.python)
    if len(numbers) < 2:
        return None
    return Interpreter((numbers[0], numbers[1]), facts.libc, _numbers(facts.libc_version)[:2], facts.arch)


def machine_of(place: Place, manifest: Manifest) -> Machine:
    """Return what preflight judges; a folder has the processor and strings that its board file says."""
    facts: TargetFacts = place.facts
    folder = place.transport.kind == "dir"
    arch, compatible = facts.arch, tuple(facts.compatible)
    if folder and place.called:
        board = load_boards().boards[place.called]
        arch = arch if board.cpu.arch == "any" else board.cpu.arch
        compatible += board.compatible
    sdk = "" if site_of(manifest) or place.transport.kind == "ssh" else _own_version()
    return Machine(
        target=place.transport.target,
        device=Requirer(place.board, arch, compatible, facts.memory_mib, sdk),
        interpreter=_folders_interpreter(facts, arch) if folder else interpreter_of(facts),
        pointer_bits=64 if folder else facts.bits,
        free_bytes=facts.free_bytes,
        free_inodes=facts.free_inodes,
        utc_s=facts.utc_s,
        runs=not folder,
    )


def tests_there(place: Place, manifest: Manifest) -> bool:
    """Whether the models can be asked there now: not in a folder with packages that do not run on this machine."""
    if place.transport.restarts:
        return True
    here = interpreter_of(place.facts)
    if here is None or manifest.requires.arch not in ("any", platform.machine()):
        return False
    wheels = [entry.path.rpartition("/")[2] for entry in manifest.files if entry.role == "wheel"]
    return not any(misfit(name, here) for name in wheels)


def _folders_interpreter(facts: TargetFacts, arch: str) -> Interpreter | None:
    """Return the Python of the system in a folder, None where its name and its C library do not say enough."""
    found = re.fullmatch(r".*/python3\.(\d{1,3})", facts.own_python)
    if found is None or not facts.libc:
        return None
    return Interpreter((3, int(found[1])), facts.libc, _numbers(facts.libc_version)[:2], arch)


def _own_version() -> str:
    try:
        return metadata.version("edge-sdk")
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal() and len(part) < 6)
