"""What the tests of the device's side share: devices in folders, real signed bundles, faults at the Nth change."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from firmware_tools.bundle import inspect_bundle
from firmware_tools.bundle.writer import Content, entries_of, write_bundle
from firmware_tools.sign import BUNDLE, PrivateKey, generate, read_sealed
from firmware_tools.update.boot.base import Service
from firmware_tools.update.layout import Layout
from firmware_tools.update.site import INDEX, site_of
from tests.unit.firmware_tools.bundles import manifest_of, trusting

APP = "app"
WHEELS = {"numpy-2.0-py3-none-any.whl": b"numpy", "edge_sdk-0.1.0-py3-none-any.whl": b"edge"}
SITE_FILES = {"pump/__init__.py": b"", "pump/valve.py": b"# valve\n"}
UNIT = b"[Service]\nExecStart=true\n"


@dataclass
class App:
    """One bundle: its file, its head, its slot."""

    path: Path
    head: bytes
    slot: str
    site: str
    files: dict[str, bytes]


@dataclass
class Device:
    """A folder that stands for a device, and whoever signs for it."""

    layout: Layout
    key: PrivateKey
    folder: Path
    made: int = field(default=0)

    def bundle(
        self,
        version: str = "1.0.0",
        *,
        model: bytes = b"model one",
        wheels: dict[str, bytes] | None = None,
        key: PrivateKey | None = None,
        more: dict[str, bytes] | None = None,
        **changes: Any,
    ) -> App:
        """A signed bundle; its counter rises with each call unless one is given."""
        self.made += 1
        files = {
            "models/m.wasm": model,
            "pipeline.toml": b'name = "app"\n',
            f"system/edge-sdk-{APP}.service": UNIT,
            **(more or {}),
        }
        roles = {"pipeline.toml": "pipeline", f"system/edge-sdk-{APP}.service": "unit"}
        roles |= {path: "golden" for path in files if path.startswith("golden/")}
        contents = [Content(path, roles.get(path, "model"), data) for path, data in files.items()]  # type: ignore[arg-type]
        contents += [Content(f"wheels/{name}", "wheel", data) for name, data in (wheels or {}).items()]
        changes = {"counter": self.made, "version": version, "name": APP, **changes}
        manifest = replace(manifest_of({}), files=entries_of(contents), **changes)
        path = self.folder / f"{version}-{self.made}.edgeb"
        write_bundle(path, manifest, contents, [key or self.key])
        sha256 = hashlib.sha256(read_sealed(io.BytesIO(path.read_bytes()), BUNDLE).document).hexdigest()
        with inspect_bundle(path) as bundle:
            head = bundle.sealed.head()
        return App(path, head, f"{version}-{sha256[:12]}", site_of(manifest), files)

    def send(self, app: App) -> None:
        """What the operator's side puts there: blobs, and the site of the wheels."""
        self.layout.store.mkdir(parents=True, exist_ok=True)
        with inspect_bundle(app.path) as bundle:
            entries = bundle.manifest.files
        for data in app.files.values():
            (self.layout.store / hashlib.sha256(data).hexdigest()).write_bytes(data)
        if app.site:
            wheels = {entry.path.split("/")[1]: entry.sha256 for entry in entries if entry.role == "wheel"}
            put_site(self.layout, app.site, wheels, SITE_FILES)


def put_site(layout: Layout, site: str, wheels: dict[str, str], files: dict[str, bytes]) -> Path:
    """A site as the receiver makes it."""
    folder = layout.sites / site
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    (folder / INDEX).write_text(json.dumps({"files": hashes, "wheels": wheels}))
    return folder


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return new_device(tmp_path)


def new_device(folder: Path) -> Device:
    layout = Layout(folder / "root")
    layout.root.mkdir()
    root, key = generate(folder / "root.pem"), generate(folder / "me.pem")
    trusting(layout.trust, root, key)
    return Device(layout, key, folder)


class FakeBoot:
    """Says what it was asked; runs nothing."""

    def __init__(self, *, running: bool = False) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.running = running

    def install(self, name: str) -> None:
        self.asked.append(("install", name))

    def remove(self, name: str) -> None:
        self.asked.append(("remove", name))

    def reload(self) -> None:
        self.asked.append(("reload",))

    def restart(self, name: str) -> None:
        self.asked.append(("restart", name))

    def judge(self, name: str) -> None:
        self.asked.append(("judge", name))

    def stop(self, name: str) -> None:
        self.asked.append(("stop", name))

    def service(self, name: str) -> Service:
        return Service(self.running, os.getpid() if self.running else 0, 0, "stopped by hand")

    def logs(self, name: str, lines: int) -> list[str]:
        return [f"line {number}" for number in range(lines)]


#: Every call by which files change for good.
CHANGES = ("chmod", "fchmod", "fsync", "mkdir", "rename", "replace", "rmdir", "symlink", "unlink", "write")


@contextmanager
def fault_at(number: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Let `act` happen instead of the Nth change, from 1; 0 for never. Gives the calls there were."""
    calls: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, _watched(name, getattr(os, name), calls, number, act))
        yield calls


def _watched(name: str, real: Any, calls: list[str], number: int, act: Callable[[], None]) -> Any:
    def call(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        if len(calls) == number:
            act()
        return real(*arguments, **options)

    return call
