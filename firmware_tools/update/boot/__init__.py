"""Boot choosers: whoever starts services on a device, and with them the version that `choose` lets start."""

from __future__ import annotations

from edge_sdk.registry import Registry
from firmware_tools.update.boot.base import Boot, is_machine
from firmware_tools.update.layout import Layout

__all__ = ["BOOT", "boot_of", "detect_boot"]

BOOT = Registry(
    "boot chooser",
    {
        "plain": "firmware_tools.update.boot.plain:PlainBoot",
        "systemd": "firmware_tools.update.boot.systemd:SystemdBoot",
    },
)
_SYSTEMD = ("usr/lib/systemd/systemd", "lib/systemd/systemd")


def detect_boot(layout: Layout) -> str:
    """Return the row of BOOT that fits: what runs on a machine, what an image would run.

    A machine may have systemd's files without running it, as containers do; a folder can only be judged by its files.
    """
    if (layout.root / "run/systemd/system").is_dir():
        return "systemd"
    if not is_machine(layout) and any((layout.root / path).exists() for path in _SYSTEMD):
        return "systemd"
    return "plain"


def boot_of(layout: Layout) -> Boot:
    """Return the boot chooser of a device."""
    boot: Boot = BOOT.load(detect_boot(layout))(layout)
    return boot
