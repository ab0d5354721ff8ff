"""Is what lies on a device whole? Asked of the bundles themselves, with nothing of the code under test.

    old, new = Unsealed(Path("old.edgeb")), Unsealed(Path("new.edgeb"))
    found = look(root, "press-7", [old, new])
    found.mistakes       # [] or what is wrong, one sentence each
    found.current        # the slot that `current` leads to

The format is read here by its description (firmware_tools/sign/sealed.py), the layout by its own (update/layout.py).
Names that begin with a dot are what an interrupted step left; they may be there and are looked at by nobody.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = struct.Struct("<8sHHIQ")
SIGNATURE_BYTES = 72
STATE_KEYS = {
    *("schema", "confirmed", "previous", "trial", "kind", "attempts", "tested", "gate_s", "hold_s", "failures"),
}


class Unsealed:
    """A bundle, read by the picture in its own documentation.

    Attributes:
        files: path -> bytes, of all that a slot holds.
        wheels: name -> bytes.
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, signatures, document_bytes, payload_bytes = HEADER.unpack_from(data)
        assert (magic, version) == (b"EDGEB\r\n\x1a", 1)
        begin = HEADER.size + signatures * SIGNATURE_BYTES
        payload = begin + document_bytes
        assert payload + payload_bytes == len(data)
        self.path = path
        self.head = data[:payload]
        document = data[begin:payload]
        self.manifest: dict[str, Any] = json.loads(document)
        self.manifest_sha256 = hashlib.sha256(document).hexdigest()
        self.slot = f"{self.manifest['version']}-{self.manifest_sha256[:12]}"
        self.files: dict[str, bytes] = {"sealed.head": self.head}
        self.wheels: dict[str, bytes] = {}
        for entry in self.manifest["files"]:
            content = data[payload : payload + entry["size"]]
            payload += entry["size"]
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["path"]
            if entry["role"] == "wheel":
                self.wheels[entry["path"].rpartition("/")[2]] = content
            else:
                self.files[entry["path"]] = content

    @property
    def site(self) -> str:
        lines = sorted(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in self.wheels.items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16] if lines else ""


@dataclass
class Found:
    """What lies there.

    Attributes:
        current: the slot that `current` leads to, "" for none.
        wanted: the slot that the state asks for, "" for none.
    """

    current: str = ""
    wanted: str = ""
    state: dict[str, Any] = field(default_factory=dict)
    slots: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)


def look(root: Path, app: str, bundles: Sequence[Unsealed]) -> Found:
    """Compare everything that is visible with the bundles it must have come from."""
    found = Found()
    known = {bundle.slot: bundle for bundle in bundles}
    home = root / "opt/edge-sdk"
    found.mistakes += _slots(home, app, known, found)
    found.mistakes += _current(home / "apps" / app / "current", found)
    found.mistakes += _state(root / "var/lib/edge-sdk/apps" / app / "state.json", found)
    found.mistakes += _sites(home / "sites", bundles)
    found.mistakes += _agent(home)
    return found


def _slots(home: Path, app: str, known: dict[str, Unsealed], found: Found) -> Iterator[str]:
    for slot in _visible(home / "apps" / app / "slots"):
        found.slots.append(slot)
        if slot not in known:
            yield f"slot {slot} comes from no bundle"
            continue
        yield from _slot(home / "apps" / app / "slots" / slot, known[slot])
        if site := known[slot].site:
            link = home / "apps" / app / "slots" / slot / "site"
            if not link.is_symlink() or os.readlink(link) != f"../../../../sites/{site}":
                yield f"{slot}/site does not lead to {site}"
            elif not (home / "sites" / site).is_dir():
                yield f"{slot}/site leads to nothing"


def _slot(folder: Path, bundle: Unsealed) -> Iterator[str]:
    names = {str(path.relative_to(folder)): path for path in _below(folder)}
    folders = {str(parent) for name in bundle.files for parent in Path(name).parents} - {"."}
    for name in sorted(names.keys() - bundle.files.keys() - folders - ({"site"} if bundle.wheels else set())):
        yield f"{folder.name}/{name} is in no bundle"
    for name, data in bundle.files.items():
        path = folder / name
        if not path.is_file() or path.is_symlink():
            yield f"{folder.name}/{name} is missing"
        elif path.read_bytes() != data:
            yield f"{folder.name}/{name} differs: {_difference(path.read_bytes(), data)}"
        elif stat.S_IMODE(path.stat().st_mode) != 0o644:
            yield f"{folder.name}/{name} has the mode {path.stat().st_mode:o}"


def _difference(got: bytes, expected: bytes) -> str:
    at = next((n for n, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), None)
    return f"{len(got)} bytes of {len(expected)}, first other byte at {at}"


def _current(link: Path, found: Found) -> Iterator[str]:
    if not os.path.lexists(link):
        return
    if not link.is_symlink():
        yield "current is no link"
        return
    target = os.readlink(link)
    found.current = target.removeprefix("slots/")
    if f"slots/{found.current}" != target or found.current not in found.slots:
        yield f"current leads to {target!r}, which is not there"


def _state(path: Path, found: Found) -> Iterator[str]:
    if not path.exists():
        return
    try:
        state = found.state = json.loads(path.read_bytes())
    except ValueError as fault:
        yield f"state.json: {fault}"
        return
    if set(state) != STATE_KEYS:
        yield f"state.json has the keys {sorted(state)}"
        return
    found.wanted = state["trial"] or state["confirmed"]
    for role in ("confirmed", "previous", "trial"):
        if state[role] and state[role] not in found.slots:
            yield f"state.json: {role} is {state[role]}, which is not there"


def _sites(folder: Path, bundles: Sequence[Unsealed]) -> Iterator[str]:
    known = {bundle.site: bundle for bundle in bundles if bundle.site}
    for site in _visible(folder):
        if site not in known:
            yield f"site {site} comes from no bundle"
            continue
        names = {str(path.relative_to(folder / site)) for path in _below(folder / site) if path.is_file()}
        for name, sha256 in unpacked(known[site]).items():
            path = folder / site / name
            if name not in names or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                yield f"site {site}: {name} is missing or differs"
            names.discard(name)
        for name in sorted(names - {"wheels.json"}):
            if "__pycache__" in name:  # Python's own, made where it may write
                continue
            yield f"site {site}: {name} is in no wheel"


def unpacked(bundle: Unsealed) -> dict[str, str]:
    """Return name -> SHA-256 of what the bundle's wheels put into a site."""
    out: dict[str, str] = {}
    for wheel in bundle.wheels.values():
        digest = hashlib.sha256(wheel).digest()
        if digest not in _UNPACKED:
            _UNPACKED[digest] = dict(_members(wheel))
        out |= _UNPACKED[digest]
    return out


#: Wheels do not change, and a campaign meets the same ones a thousand times.
_UNPACKED: dict[bytes, dict[str, str]] = {}


def _members(wheel: bytes) -> Iterator[tuple[str, str]]:
    """Yield (name, SHA-256); scripts and headers of `.data` folders have no place in a site."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        for name in archive.namelist():
            parts = name.split("/")
            if parts[0].endswith(".data"):
                if parts[1] not in ("purelib", "platlib"):
                    continue
                parts = parts[2:]
            if not name.endswith("/"):
                yield "/".join(parts), hashlib.sha256(archive.read(name)).hexdigest()


def _agent(home: Path) -> Iterator[str]:
    agent, launch = home / "agent", home / "launch"
    if os.path.lexists(agent):
        target = os.readlink(agent)
        if not target.startswith("sites/") or not (home / target).is_dir():
            yield f"agent leads to {target!r}, which is not there"
    if launch.exists() and not (launch.read_bytes().startswith(b"#!/bin/sh") and launch.read_bytes().endswith(b"\n")):
        yield "launch is cut short"


def _visible(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith(".")) if folder.is_dir() else []


def _below(folder: Path) -> Iterator[Path]:
    """Yield everything in a folder; links are not followed."""
    for path, folders, files in os.walk(folder):
        yield from (Path(path) / name for name in [*folders, *files])
