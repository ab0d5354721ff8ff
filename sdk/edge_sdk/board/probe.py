"""What this machine says about itself: the thin part that reads /proc and /sys.

`read_probe(root)` takes the folder that stands for `/`, so a tree of files can play any machine. Everything that
judges the answers is pure and lives in `detect.py`.
"""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_LARGEST_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class Probe:
    """The facts a machine gives away.

    Attributes:
        arch: the machine word of uname, "aarch64" or "x86_64" on supported machines.
        pointer_bits: of this Python; 32 on a 64-bit kernel means a 32-bit system.
        cpuinfo: the text of /proc/cpuinfo.
        cores: processors listed there; at least 1.
        memory_mib: MemTotal of /proc/meminfo, 0 where unknown.
        compatible: device-tree strings, most exact first; empty without a device tree.
        model: device-tree model, or "".
        dmi: "vendor product" of the firmware tables, or "".
        files: those of the paths asked for that exist.
        override: the board named by EDGE_BOARD, or "".
    """

    arch: str
    pointer_bits: int = 64
    cpuinfo: str = ""
    cores: int = 1
    memory_mib: int = 0
    compatible: tuple[str, ...] = ()
    model: str = ""
    dmi: str = ""
    files: frozenset[str] = frozenset()
    override: str = ""

    def cpu_fields(self, name: str) -> tuple[str, ...]:
        """Return the different values of one line of cpuinfo, in order ("CPU part", "model name")."""
        found: dict[str, None] = {}
        for line in self.cpuinfo.splitlines():
            key, colon, value = line.partition(":")
            if colon and key.strip() == name:
                found[value.strip()] = None
        return tuple(found)

    @property
    def cpu_parts(self) -> tuple[str, ...]:
        return tuple(part.lower() for part in self.cpu_fields("CPU part"))

    @property
    def cpu_model(self) -> str:
        return next(iter(self.cpu_fields("model name")), "")

    @property
    def cpu(self) -> str:
        """The processor in words: its model, or the numbers of its parts where it has no name."""
        return self.cpu_model or ", ".join(self.cpu_parts)

    @property
    def cpu_features(self) -> frozenset[str]:
        """Words that every core has: a big.LITTLE machine runs a thread on any of them."""
        lines = self.cpu_fields("Features") or self.cpu_fields("flags")
        return frozenset.intersection(*(frozenset(line.split()) for line in lines)) if lines else frozenset()


def read_probe(
    root: Path = Path("/"),
    *,
    arch: str | None = None,
    environment: Mapping[str, str] | None = None,
    look_for: Iterable[str] = (),
) -> Probe:
    """Read the machine under `root`; a file that is absent or unreadable counts as saying nothing.

    Args:
        root: stands for `/`.
        arch: default: this machine's.
        environment: where EDGE_BOARD is looked up; default: this process's.
        look_for: absolute paths whose existence matters.
    """
    variables = os.environ if environment is None else environment
    cpuinfo = _text(root / "proc/cpuinfo")
    vendor, product = (_text(root / "sys/class/dmi/id" / name).strip() for name in ("sys_vendor", "product_name"))
    return Probe(
        arch=normal_arch(arch or platform.machine()),
        pointer_bits=8 * struct.calcsize("P"),
        cpuinfo=cpuinfo,
        cores=max(1, sum(line.startswith("processor") for line in cpuinfo.splitlines())),
        memory_mib=_memory_mib(_text(root / "proc/meminfo")),
        compatible=tuple(filter(None, _device_tree(root, "compatible").split("\0"))),
        model=_device_tree(root, "model").strip("\0\n "),
        dmi=f"{vendor} {product}".strip(),
        files=frozenset(path for path in look_for if (root / path.lstrip("/")).exists()),
        override=variables.get("EDGE_BOARD", "").strip(),
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _device_tree(root: Path, name: str) -> str:
    """Return a property of the root node; where /proc is not the machine's own, /sys still may be."""
    return _text(root / "proc/device-tree" / name) or _text(root / "sys/firmware/devicetree/base" / name)


def _memory_mib(meminfo: str) -> int:
    for line in meminfo.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "MemTotal:" and words[1].isdigit():
            return int(words[1]) // 1024
    return 0


def normal_arch(machine: str) -> str:
    """Return one word for an architecture that has several."""
    word = machine.lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(word, word)
