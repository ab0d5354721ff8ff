"""What this device is: its board, as the machine or the operator says, and everything an operator needs to plan."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from edge_sdk.board import identify, load_boards, read_probe
from edge_sdk.board.detect import Detection
from edge_sdk.board.probe import Probe
from edge_sdk.errors import SafetyError
from edge_sdk.units import rfc3339, utc_now
from firmware_tools.bundle.requires import Device
from firmware_tools.sign import TrustStore
from firmware_tools.update.boot import detect_boot
from firmware_tools.update.boot.base import is_machine
from firmware_tools.update.folders import entries, target_of
from firmware_tools.update.layout import Layout
from firmware_tools.update.messages import PROTOCOL, DeviceFacts
from firmware_tools.update.site import INDEX


def identified(layout: Layout, board: str = "") -> tuple[Probe, Detection]:
    """Return what the device says of itself, and the board it is.

    Args:
        board: what the operator calls it; "" to look. A machine that proves what it is cannot be called otherwise.

    Raises:
        TargetNotFoundError: no such board.
        SafetyError: this machine is another one.
    """
    boards = load_boards()
    probe = read_probe(layout.root, look_for=boards.files_to_look_for())
    seen = identify(probe, boards)
    if not board:
        return probe, seen
    named = identify(probe, boards, board)
    if seen.exact and seen.board is not None and named.board is not None and named.board.name != seen.board.name:
        raise SafetyError(f"this device is {seen.board.name}, not {named.board.name}", hint="edge-sdk doctor")
    return probe, named


def device_of(layout: Layout, board: str = "", *, own_packages: bool = False) -> Device:
    """Return what a bundle's `requires` is checked against.

    Args:
        board: see `identified`.
        own_packages: the bundle brings its own edge-sdk, so the installed one does not matter.
    """
    probe, detection = identified(layout, board)
    found, sdk = detection.board, "" if own_packages else sdk_version()
    if is_machine(layout) or not board or found is None:
        return Device.of(found, probe, sdk)
    # A folder has no memory and no processor: the board file has.
    arch = probe.arch if found.cpu.arch == "any" else found.cpu.arch
    return Device(found.name, arch, (*probe.compatible, *found.compatible), probe.memory_mib, sdk)


def sdk_version() -> str:
    """Return the version of the edge-sdk that runs here."""
    try:
        return metadata.version("edge-sdk")
    except metadata.PackageNotFoundError:
        return ""


def read_facts(layout: Layout) -> DeviceFacts:
    """Return everything an operator needs to plan.

    Raises:
        ConfigError, SignatureError: something that the device must know is damaged.
    """
    from firmware_tools.update.status import read_status

    probe, detection = identified(layout)
    trust = TrustStore(layout.trust)
    return DeviceFacts(
        protocol=PROTOCOL,
        sdk=sdk_version(),
        board=detection.board.name if detection.board is not None else "",
        statement=detection.statement,
        arch=probe.arch,
        compatible=probe.compatible,
        ram_mib=probe.memory_mib,
        boot=detect_boot(layout),
        running=is_machine(layout),
        trust_version=trust.root().version if trust.exists() else 0,
        agent=Path(target_of(layout.agent)).name,
        sites=tuple(one.name for one in entries(layout.sites) if (one / INDEX).is_file()),
        apps=tuple(read_status(layout, name) for name in layout.names()),
        counters=_counters(trust),
        utc=rfc3339(utc_now()),
    )


def _counters(trust: TrustStore) -> dict[str, int]:
    names = [one.stem for one in entries(trust.folder / "counters") if one.suffix == ".json" and one.name[0] != "."]
    known = {name: trust.counter(name) for name in names}
    return {name: counter.counter for name, counter in known.items() if counter is not None}
