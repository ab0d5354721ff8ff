"""The wheel of edge-sdk itself, which never comes from a package index: there the name belongs to somebody else.

It is found in folders of this machine: those the caller names, those of PIP_FIND_LINKS, and `dist/` of a checkout,
where `make wheels` puts it. A wheel with another content than the code that runs here is told, not refused.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_sdk import errors
from edge_sdk.errors import ConfigError, EdgeError, SafetyError
from firmware_tools.bundle import writer
from firmware_tools.bundle.wheels import wheel_arches

PACKAGES = ("edge_sdk", "firmware_tools")
MOST_FILES = 20_000
MOST_FILE_BYTES = 16 << 20
HINT = "in a checkout of edge-sdk: make wheels; elsewhere: --find-links DIR, the folder that has it"


def find_own_wheel(folders: Sequence[Path], version: str, arch: str) -> Path:
    """Return the wheel of this version for an architecture; the first folder that has one wins.

    Raises:
        SafetyError: there is none.
    """
    places = [*folders, *_pip_folders(), *_checkout()]
    for folder in places:
        for path in sorted(folder.glob(f"edge_sdk-{version}-*.whl")):
            if _runs_on(path.name, arch):
                return path.absolute()
    looked = ", ".join(map(str, places)) or "no folder"
    raise SafetyError(f"no wheel of edge-sdk {version} for {arch} (looked in {looked})", hint=HINT)


def differing_files(wheel: Path) -> int:
    """Return how many modules of a wheel are not those that run here, missing ones included.

    Raises:
        ConfigError: it is no wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            theirs = {entry.filename: _digest_in(archive, entry) for entry in _modules(archive)}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as fault:
        raise ConfigError(f"{wheel}: is no wheel: {fault}", hint=HINT) from None
    ours = {name: hashlib.sha256(path.read_bytes()).digest() for name, path in _running()}
    return sum(ours.get(name) != theirs.get(name) for name in {*ours, *theirs})


def _runs_on(name: str, arch: str) -> bool:
    try:
        return arch in wheel_arches(name)
    except EdgeError:
        return False


def _pip_folders() -> Iterator[Path]:
    for word in os.environ.get("PIP_FIND_LINKS", "").split():
        if "://" not in word and Path(word).is_dir():
            yield Path(word)


def _checkout() -> Iterator[Path]:
    """Yield dist/ of the checkout this code runs from, if it does."""
    root = Path(__file__).absolute().parents[2]
    if (root / "pyproject.toml").is_file() and (root / "dist").is_dir():
        yield root / "dist"


def _modules(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise ValueError(f"{len(entries)} files, at most {MOST_FILES} are read")
    for entry in entries:
        if entry.filename.endswith(".py") and entry.filename.split("/")[0] in PACKAGES:
            yield entry


def _digest_in(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        return hashlib.sha256(file.read(MOST_FILE_BYTES)).digest()


def _running() -> Iterator[tuple[str, Path]]:
    """Yield the modules that run here by their names in a wheel."""
    for package, module in zip(PACKAGES, (errors, writer), strict=True):
        place = next(folder for folder in Path(str(module.__file__)).parents if folder.name == package)
        for path in place.rglob("*.py"):
            yield f"{package}/{path.relative_to(place).as_posix()}", path
