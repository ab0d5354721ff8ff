"""The wheelhouse: are these wheels for the board? Judged by their names (binary distribution format, PyPA)."""

from __future__ import annotations

import re
from pathlib import Path

from edge_sdk.errors import ConfigError, SafetyError, TargetNotFoundError
from firmware_tools.bundle.writer import Content

ARCHES = ("aarch64", "x86_64")
_WHEEL = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.]*)-(?P<version>[A-Za-z0-9_.!+]+)(-(?P<build>\d[A-Za-z0-9_.]*))?"
    r"-(?P<python>[A-Za-z0-9_.]+)-(?P<abi>[A-Za-z0-9_.]+)-(?P<platform>[A-Za-z0-9_.]+)\.whl"
)
_LINUX = re.compile(r"(?:manylinux\w*?|musllinux\w*?|linux)_(aarch64|x86_64)")


def wheel_arches(name: str) -> frozenset[str]:
    """Return the architectures a wheel runs on; both for one without native code.

    Raises:
        ConfigError: that is no wheel's name.
        SafetyError: it is for another operating system or architecture.
    """
    found = _WHEEL.fullmatch(name)
    if found is None:
        raise ConfigError(f"{name[:120]!r} is no wheel's name: expected NAME-VERSION-PYTHON-ABI-PLATFORM.whl")
    tags = found["platform"].split(".")
    if "any" in tags:
        return frozenset(ARCHES)
    arches = frozenset(match[1] for tag in tags if (match := _LINUX.fullmatch(tag)))
    if not arches:
        raise SafetyError(f"{name}: is for {found['platform']}, expected Linux on {' or '.join(ARCHES)}")
    return arches


def collect_wheels(folder: Path, arch: str) -> tuple[list[Content], str]:
    """Return the wheels of a folder and the architecture they fix.

    Args:
        arch: of the board, or "any".

    Raises:
        TargetNotFoundError: no folder, or no wheels in it.
        ConfigError: something else lies there, or one project twice.
        SafetyError: a wheel does not run on the board, or two wheels run on no common machine.
    """
    if not folder.is_dir():
        raise TargetNotFoundError(
            f"{folder}: no such folder of wheels", hint=f"edge-sdk bundle wheels {folder} --board B"
        )
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if not names:
        raise TargetNotFoundError(f"{folder}: holds no wheels", hint=f"edge-sdk bundle wheels {folder} --board B")
    left = frozenset(ARCHES if arch == "any" else (arch,))
    projects: dict[str, str] = {}
    for name in names:
        fits = left & wheel_arches(name)
        if not fits:
            hint = f"edge-sdk bundle wheels {folder} --board B"
            raise SafetyError(f"{folder / name}: does not run on {' or '.join(sorted(left))}", hint=hint)
        left = fits
        project = re.sub(r"[-_.]+", "-", name.split("-")[0]).lower()
        if project in projects:
            text = f"{folder}: two wheels of {project}: {projects[project]} and {name}"
            raise ConfigError(text, hint=f"rm {folder / name}, or the other one")
        projects[project] = name
    contents = [Content(f"wheels/{name}", "wheel", folder / name) for name in names]
    return contents, next(iter(left)) if len(left) == 1 else arch
