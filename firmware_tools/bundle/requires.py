"""May this device run this bundle? Pure: `requires` and the facts of a device in, silence or a refusal out."""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.board import Board, Probe
from edge_sdk.errors import SafetyError
from firmware_tools.bundle.manifest import Requires

_BUILD = "edge-sdk bundle PIPELINE.toml -o APP.edgeb --board B, with the edge-sdk of the device"


@dataclass(frozen=True)
class Device:
    """What is known of the target.

    Attributes:
        board: its name, "" where no board file fits.
        compatible: its device-tree strings.
        arch: the machine word of uname.
        ram_mib: 0 where unknown.
        sdk: version of the installed edge-sdk, "" where none is or the bundle brings its own.
    """

    board: str
    arch: str
    compatible: tuple[str, ...] = ()
    ram_mib: int = 0
    sdk: str = ""

    @classmethod
    def of(cls, board: Board | None, probe: Probe, sdk: str = "") -> Device:
        """Return the facts of a probed machine."""
        return cls(board.name if board else "", probe.arch, probe.compatible, probe.memory_mib, sdk)


def check_requires(requires: Requires, device: Device) -> None:
    """Refuse a device that the bundle was not made for.

    Raises:
        SafetyError: says what was expected and what came.
    """
    if requires.arch not in ("any", device.arch):
        raise SafetyError(f"the bundle is for {requires.arch} machines; this device is {device.arch}", hint=_BUILD)
    known = requires.boards or requires.compatible
    if known and device.board not in requires.boards and not set(requires.compatible) & set(device.compatible):
        wanted = ", ".join(requires.boards) or ", ".join(requires.compatible)
        raise SafetyError(
            f"the bundle is for {wanted}; this device is {device.board or 'no board we know'}", hint="edge-sdk doctor"
        )
    if device.ram_mib and device.ram_mib < requires.ram_mib:
        text = f"the bundle needs {requires.ram_mib} MiB of memory; this device has {device.ram_mib} MiB"
        raise SafetyError(text, hint="a smaller model")
    if device.sdk and not version(requires.sdk.least) <= version(device.sdk) < version(requires.sdk.below):
        raise SafetyError(
            f"the bundle needs edge-sdk {requires.sdk.least} or newer, below {requires.sdk.below}; "
            f"this device has {device.sdk}",
            hint=_BUILD,
        )


def version(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: 0.2.1.dev3 -> (0, 2, 1)."""
    numbers = []
    for part in text.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits[:9]))
    return tuple(numbers + [0] * (3 - len(numbers)))
