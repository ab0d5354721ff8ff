"""What can be known to go wrong before anything is written. Pure: facts in, refusals and warnings out.

The wheels need a Python that they were made for, the files need room twice (a full disk breaks more than an update),
and 32-bit systems cannot run the engine at all. A clock that was never set is told, but decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_sdk.errors import SafetyError
from edge_sdk.units import si_bytes
from firmware_tools.bundle import Device, Manifest, check_requires
from firmware_tools.flash.receipt import clock_state
from firmware_tools.flash.wheels import Interpreter, misfit

LEAST_PYTHON = (3, 10)
#: A file costs a block, on average half of it unused.
BLOCK_BYTES = 4096


@dataclass(frozen=True)
class Machine:
    """What the probe saw of the target.

    Attributes:
        interpreter: its Python, None where there is none.
        pointer_bits: of its system.
        free_bytes, free_inodes: where applications go; None where unknown (or without a limit).
        utc_s: its clock, 0 where unknown.
        runs: whether anything will run there now (not in a folder).
        own_packages: whether the device's side comes from the packages of the target's Python.
    """

    target: str
    device: Device
    interpreter: Interpreter | None
    pointer_bits: int = 64
    free_bytes: int | None = None
    free_inodes: int | None = None
    utc_s: int = 0
    runs: bool = True


@dataclass(frozen=True)
class Needs:
    """What installing takes.

    Attributes:
        sent_bytes: still to be sent, once for the store.
        slot_bytes, slot_files: of the slot, whose files are copied out of the store.
        site_bytes, site_files: of the packages once unpacked; 0 where they are there already.
    """

    sent_bytes: int = 0
    slot_bytes: int = 0
    slot_files: int = 0
    site_bytes: int = 0
    site_files: int = 0

    @property
    def bytes(self) -> int:
        files = self.slot_files + self.site_files
        return self.sent_bytes + self.slot_bytes + self.site_bytes + files * BLOCK_BYTES

    @property
    def inodes(self) -> int:
        return 2 * (self.slot_files + self.site_files) + 32


def preflight(manifest: Manifest, machine: Machine, needs: Needs) -> list[str]:
    """Refuse what cannot work; return warnings.

    Raises:
        SafetyError: says what is missing there.
    """
    _python(manifest, machine)
    check_requires(manifest.requires, machine.device)
    _room(machine, needs)
    return list(_warnings(machine))


def _python(manifest: Manifest, machine: Machine) -> None:
    if machine.pointer_bits != 64:
        raise SafetyError(
            f"{machine.target}: runs a {machine.pointer_bits}-bit system; the engine needs 64 bits",
            hint="install the 64-bit image of the operating system",
        )
    python = machine.interpreter
    if python is None:
        if machine.runs:
            raise SafetyError(f"{machine.target}: has no Python", hint="install python3, 3.10 or newer, there")
        return
    if python.python < LEAST_PYTHON:
        least, found = (".".join(map(str, one)) for one in (LEAST_PYTHON, python.python))
        raise SafetyError(f"{machine.target}: has Python {found}; {least} or newer is needed")
    for entry in manifest.files:
        name = entry.path.rpartition("/")[2]
        if entry.role == "wheel" and (problem := misfit(name, python)):
            raise SafetyError(
                f"{machine.target}: {name} {problem}", hint="edge-sdk bundle ... --wheelhouse DIR, with wheels for it"
            )


def _room(machine: Machine, needs: Needs) -> None:
    if machine.free_bytes is not None and machine.free_bytes < 2 * needs.bytes:
        raise SafetyError(
            f"{machine.target}: has {si_bytes(machine.free_bytes)} free, expected at least "
            f"{si_bytes(2 * needs.bytes)}, twice what is written",
            hint="remove what is not needed there",
        )
    if machine.free_inodes is not None and machine.free_inodes < 2 * needs.inodes:
        raise SafetyError(
            f"{machine.target}: has room for {machine.free_inodes} more files, expected {2 * needs.inodes}",
            hint="remove files there",
        )


def _warnings(machine: Machine) -> Iterator[str]:
    if machine.runs and clock_state(machine.utc_s) == "not set":
        yield f"{machine.target}: its clock was never set; nothing here depends on it, but its logs will be misleading"
