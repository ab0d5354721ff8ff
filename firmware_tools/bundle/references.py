"""What a pipeline refers to: files that go into the bundle, values that stay on the device, secrets that do neither.

A file named in the pipeline is packed and the name replaced by its place in the bundle. `${env:NAME}` is filled in now
only where it names such a file; elsewhere it stays, for the device to fill in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge_sdk.config import Where, read_toml
from edge_sdk.config.as_written import VARIABLE, AsWritten, variables_in
from edge_sdk.config.health_rules import HealthRules
from edge_sdk.config.pipeline import read_pipeline
from edge_sdk.engines import FOREIGN
from edge_sdk.errors import ConfigError, EdgeError, SafetyError, TargetNotFoundError
from firmware_tools.bundle.manifest import Role

_SECRET_KEYS = ("password", "token", "secret")
#: (table of the pipeline, kind) -> key -> (role, folder in the bundle).
_FILES: dict[tuple[str, str], dict[str, tuple[Role, str]]] = {
    ("sinks", "mqtt"): {"ca": ("certificate", "certificates"), "cert": ("certificate", "certificates")},
    ("sources", "replay"): {"file": ("capture", "captures")},
    ("steps", "model"): {"labels_file": ("labels", "labels"), "model": ("model", "models")},
}
#: Files of the device's own, if they are named absolutely: a certificate is its identity.
_DEVICE_KEYS = ("ca", "cert", "key")


@dataclass
class References:
    """A pipeline, ready to be packed.

    Attributes:
        name: of the pipeline; "" where only the device knows it.
        sources: the ids of its sources.
        health: when a new version of it is good.
        table: the pipeline with names of files replaced.
        files: place in the bundle -> (role, where the file is now); models still have their own format.
        ports: source -> serial port as written.
    """

    name: str
    sources: tuple[str, ...]
    health: HealthRules
    table: dict[str, Any]
    files: dict[str, tuple[Role, Path]] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> tuple[str, ...]:
        """Variables the device has to set."""
        return tuple(sorted(variables_in(self.table)))


def read_references(path: Path, environment: Mapping[str, str] | None = None) -> References:
    """Read a pipeline and find its files.

    Raises:
        ConfigError: the pipeline is wrong, or the name of a file needs a variable that is not set.
        TargetNotFoundError: a file is not there.
        SafetyError: a secret would go into the bundle.
    """
    file, table = read_pipeline(path, AsWritten()), read_toml(path, AsWritten())
    name = "" if variables_in(table["name"]) else file.name
    found = References(name, tuple(part.id for part in file.sources), file.health, table)
    filled = read_toml(path, AsWritten(os.environ if environment is None else environment))
    for (group, kind, row), (_, _, now) in zip(_parts(found.table), _parts(filled), strict=True):
        where = Where(path, group[0]).at(group[1])
        _refuse_secrets(row, where)
        _refuse_other_runtimes(row, where)
        for key, (role, folder) in _FILES.get((group[0], kind), {}).items():
            if key in row and not (key in _DEVICE_KEYS and str(row[key]).startswith("/")):
                row[key] = _add(found, role, folder, now[key], where.at(key))
        if group[0] == "sources" and kind == "serial" and isinstance(row.get("port"), str):
            found.ports[str(group[1])] = row["port"]
    return found


def named_files(path: Path) -> list[Path]:
    """Return the pipeline and the files it names, as far as it can be read; they need not be there."""
    found = [path]
    # Who packs it says what is wrong with it.
    with suppress(EdgeError, LookupError, TypeError, AttributeError):
        for group, kind, row in _parts(read_toml(path, AsWritten(os.environ))):
            where = Where(path, group[0]).at(group[1])
            names = {key: row.get(key) for key in _FILES.get((group[0], kind), {})}
            found += [where.at(key).resolve(name) for key, name in names.items() if isinstance(name, str)]
    return found


def _parts(table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str | int], str, dict[str, Any]]]:
    """Yield ((table, name or index), kind, row) of every source, step and sink."""
    for name, row in table.get("sources", {}).items():
        yield ("sources", name), str(row["type"]), row
    for group, key in (("steps", "use"), ("sinks", "type")):
        for index, row in enumerate(table.get(group, [])):
            yield (group, index), str(row[key]), row


def _refuse_secrets(row: Mapping[str, Any], where: Where) -> None:
    hint = 'write password = "${env:MQTT_PASSWORD}"; the device has it in /etc/edge-sdk/NAME.env'
    for key, value in row.items():
        place = where.at(key)
        if key.endswith("_file") and key.removesuffix("_file") in _SECRET_KEYS:
            raise SafetyError(f"{place}: a secret does not go into a bundle", hint=hint)
        if key in _SECRET_KEYS and not VARIABLE.fullmatch(str(value)):
            raise SafetyError(f"{place}: a secret does not go into a bundle", hint=hint)
        if key == "url" and "@" in str(value).partition("://")[2] and urlsplit(str(value)).password is not None:
            raise SafetyError(f"{place}: a secret does not go into a bundle", hint=hint)
        if key == "key" and not str(value).startswith("/"):
            text = "a private key does not go into a bundle; expected the absolute path of a file on the device"
            raise SafetyError(f"{place}: {text}", hint='key = "/etc/edge-sdk/device.key"')


def _refuse_other_runtimes(row: Mapping[str, Any], where: Where) -> None:
    """A bundle is what its golden vectors prove, in the sandbox; another runtime's environment is not in it."""
    if row.get("use") == "model" and row.get("engine") in FOREIGN:
        raise SafetyError(
            f"{where.at('engine')}: {row['engine']!r} is a runtime outside the sandbox, which a bundle does not bring",
            hint="copy this pipeline to the device by hand, or give the step an engine of edge-sdk",
        )


def _add(found: References, role: Role, folder: str, text: object, where: Where) -> str:
    """Note one file and return its place in the bundle."""
    if not isinstance(text, str):
        raise where.error("expected the name of a file")
    if missing := VARIABLE.search(text):
        raise where.error(f"the environment variable {missing[1]} is not set", hint=f"export {missing[1]}=...")
    source = where.resolve(text)
    if not source.is_file():
        raise TargetNotFoundError(f"{where}: {source}: no such file")
    if role == "certificate" and b"PRIVATE KEY" in _beginning(source):
        raise SafetyError(f"{where}: {source} holds a private key, which does not go into a bundle")
    for place, (_, known) in found.files.items():
        if known.samefile(source) and place.startswith(f"{folder}/"):
            return place
    place = _free_place(folder, source, lambda wanted: any(wanted.lower() == taken.lower() for taken in found.files))
    found.files[place] = (role, source)
    return place


def _free_place(folder: str, source: Path, taken: Callable[[str], bool]) -> str:
    """Return folder/NAME, with a number if another file has that name; models get the ending they will have."""
    stem = re.sub(r"[^A-Za-z0-9._+-]", "-", source.stem).strip(".")[:80] or "file"
    suffix = ".wasm" if folder == "models" else re.sub(r"[^A-Za-z0-9.]", "", source.suffix)[:16]
    for number in range(1, 10_000):
        place = f"{folder}/{stem}{'' if number == 1 else f'-{number}'}{suffix}"
        if not taken(place):
            return place
    raise ConfigError(f"{source}: too many files of this name")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 20)
