"""Do these wheels fit that Python? Judged by the tags in their names (PEP 425, 600 and 656). And: how large, unpacked?

edge_sdk-0.1.0-cp310-abi3-manylinux_2_28_x86_64.whl
               |     |    `- C library and its least version, architecture
               |     `- binary interface: of this Python, stable (abi3), or none
               `- least Python
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from edge_sdk.errors import ConfigError
from firmware_tools.bundle import Bundle, FileEntry

_PYTHON = re.compile(r"(cp|py)(\d)(\d*)")
_MANY = re.compile(r"manylinux_(\d{1,4})_(\d{1,4})_(\w+)")
_MUSL = re.compile(r"musllinux_(\d{1,4})_(\d{1,4})_(\w+)")
#: PEP 600: the older names.
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
#: A wheel may claim more files than this, but then its claim is not believed.
_MOST_MEMBERS = 100_000


@dataclass(frozen=True)
class Interpreter:
    """The target's Python.

    Attributes:
        python: (3, 11).
        libc: "glibc" or "musl", "" where unknown.
        libc_version: (2, 36), empty where unknown.
        arch: the machine word of uname.
    """

    python: tuple[int, int]
    libc: str
    libc_version: tuple[int, ...]
    arch: str


def wheel_name(entry: FileEntry) -> str:
    """Return the file name of a wheel of a bundle."""
    return entry.path.rpartition("/")[2]


def misfit(name: str, target: Interpreter) -> str:
    """Return why a wheel does not run there, "" where it does."""
    parts = name.removesuffix(".whl").split("-")
    if len(parts) < 5:
        return "that is no wheel's name"
    pythons, abis, platforms = (part.split(".") for part in parts[-3:])
    version = ".".join(map(str, target.python))
    if not any(_python_fits(python, abi, target.python) for python in pythons for abi in abis):
        return f"is for {parts[-3]}-{parts[-2]}; the target has Python {version}"
    if not any(_platform_fits(platform, target) for platform in platforms):
        libc = " ".join(filter(None, (target.libc, ".".join(map(str, target.libc_version)))))
        return f"is for {parts[-1]}; the target is {target.arch} with {libc or 'an unknown C library'}"
    return ""


def unpacked(bundle: Bundle, wheels: Sequence[FileEntry]) -> tuple[int, int]:
    """Return (files, bytes) of the wheels once unpacked, as they say themselves.

    Raises:
        ConfigError: one is no zip archive.
    """
    files = size = 0
    for entry in wheels:
        try:
            with zipfile.ZipFile(bundle.open_file(entry)) as archive:
                members = archive.infolist()[:_MOST_MEMBERS]
        except (zipfile.BadZipFile, ValueError, NotImplementedError, io.UnsupportedOperation) as fault:
            raise ConfigError(f"{entry.path}: is no wheel: {fault}") from None
        files += len(members)
        size += sum(member.file_size for member in members)
    return files, size


def _python_fits(python: str, abi: str, target: tuple[int, int]) -> bool:
    found = _PYTHON.fullmatch(python)
    if found is None or int(found[2]) != target[0]:
        return False
    minor = int(found[3] or 0)
    if abi == "none":
        return minor <= target[1] if found[1] == "py" else minor in (0, target[1])
    if abi == "abi3":
        return found[1] == "cp" and minor <= target[1]
    return python == abi == f"cp{target[0]}{target[1]}"


def _platform_fits(platform: str, target: Interpreter) -> bool:
    if platform == "any":
        return True
    for legacy, needed in _LEGACY.items():
        if platform == f"{legacy}_{target.arch}":
            return target.libc == "glibc" and needed <= (target.libc_version or needed)
    for pattern, libc in ((_MANY, "glibc"), (_MUSL, "musl")):
        found = pattern.fullmatch(platform)
        if found is not None:
            needed = int(found[1]), int(found[2])
            return (found[3], libc) == (target.arch, target.libc) and needed <= (target.libc_version or needed)
    return platform == f"linux_{target.arch}"
