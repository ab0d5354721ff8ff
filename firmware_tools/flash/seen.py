"""What is attached to this machine in USB recovery mode: it is told, never written to.

A Jetson there answers as NVIDIA "APX", a Raspberry Pi as Broadcom's boot ROM. Writing whole disks is another job than
putting an application on a running board.
"""

from __future__ import annotations

from pathlib import Path

from edge_sdk.units import printable

#: (vendor, product) -> what it is. NVIDIA: Jetson Linux developer guide, "Recovery Mode"; Broadcom: rpiboot's list.
RECOVERY = {
    **{("0955", f"7{n}23"): "NVIDIA Jetson (APX)" for n in range(10)},
    ("0955", "7026"): "NVIDIA Jetson Thor (APX)",
    ("0955", "7326"): "NVIDIA Jetson Thor (APX)",
    ("0a5c", "2711"): "Raspberry Pi 4 (BCM2711 boot)",
    ("0a5c", "2712"): "Raspberry Pi 5 (BCM2712 boot)",
    ("0a5c", "2763"): "Raspberry Pi (BCM2708 boot)",
    ("0a5c", "2764"): "Raspberry Pi (BCM2710 boot)",
}
MOST_DEVICES = 1024


def recovery_devices(root: Path = Path("/")) -> list[str]:
    """Return a sentence for each device in recovery mode; nothing where the system does not say."""
    try:
        places = sorted((root / "sys/bus/usb/devices").iterdir())[:MOST_DEVICES]
    except OSError:
        return []
    found = []
    for place in places:
        name = RECOVERY.get((_word(place / "idVendor"), _word(place / "idProduct")))
        if name is not None:
            where = printable(place.name)
            found.append(f"USB {where}: {name}, in recovery mode; writing whole disks is not part of this version")
    return found


def _word(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(16).decode("ascii", "replace").strip().lower()
    except OSError:
        return ""
