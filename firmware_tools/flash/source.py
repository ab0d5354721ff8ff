"""The bundle to flash: the file that was given, or one built from the project for this target.

A build takes the counter that its version stands for, or the next one that the device will take. Building what the
device has already gives that very bundle again, so that giving a command twice does not make a new version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from msgspec.structs import replace

from edge_sdk.config.project import ProjectFile
from edge_sdk.errors import SafetyError, TransferError, UsageError
from firmware_tools.bundle import inspect_bundle
from firmware_tools.bundle.build import Order, build_bundle, counter_of
from firmware_tools.bundle.fetch_wheels import OLDEST_LIBC, fetch_wheels
from firmware_tools.bundle.manifest import encode_manifest
from firmware_tools.bundle.own_wheel import find_own_wheel
from firmware_tools.bundle.reader import CHUNK_BYTES, Progress
from firmware_tools.bundle.references import read_references
from firmware_tools.flash.wheels import Interpreter
from firmware_tools.sign import BUNDLE, PrivateKey, durable, seal
from firmware_tools.update.messages import AppStatus

DEFAULT_VERSION = "0.0.1"


@dataclass(frozen=True)
class Recipe:
    """A project to be built.

    Attributes:
        board: name or family it is built for, "" for any.
        wheelhouse: folder of wheels; None: none are packed.
        keys: private keys that sign.
    """

    pipeline: Path
    output: Path
    name: str
    version: str
    board: str
    wheelhouse: Path | None
    keys: tuple[PrivateKey, ...]


def pipeline_of(given: Path | None, project: ProjectFile | None) -> Path:
    """Return the pipeline to be built.

    Raises:
        UsageError: none was named and no project says one.
    """
    if given is not None:
        return given
    found = project.path(project.project.pipeline) if project is not None else None
    if found is None:
        raise UsageError(
            "edge-sdk flash: expected a bundle or a pipeline, or a folder with an edge-sdk.toml",
            hint="edge-sdk flash APP.edgeb, or edge-sdk init NAME",
        )
    return found


def name_of(pipeline: Path, name: str) -> str:
    """Return what the application is called."""
    return name or read_references(pipeline).name


def build(recipe: Recipe, newest: int, there: AppStatus | None, progress: Progress | None = None) -> Path:
    """Build the bundle and return where it is.

    Args:
        newest: counter that the device has accepted, 0 for none.
        there: the application on the device.
    """
    least = counter_of(recipe.version)
    order = Order(
        pipeline=recipe.pipeline,
        output=recipe.output,
        name=recipe.name,
        version=recipe.version,
        counter=max(least, newest),
        board=recipe.board,
        wheelhouse=recipe.wheelhouse,
    )
    try:
        recipe.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise durable.write_error(recipe.output.parent, fault) from fault
    build_bundle(order, recipe.keys, progress)
    if newest >= least and not _is_there(recipe.output, there):
        renumber(recipe.output, newest + 1, recipe.keys)
    return recipe.output


def renumber(path: Path, counter: int, keys: Sequence[PrivateKey]) -> None:
    """Give a bundle another counter, signed anew; its contents stay as they are."""
    with inspect_bundle(path) as bundle:
        document = encode_manifest(replace(bundle.manifest, counter=counter))
        with durable.replacing(path) as file:
            file.write(seal(BUNDLE, document, keys, bundle.sealed.payload_bytes))
            for data in bundle.payload(CHUNK_BYTES):
                file.write(data)


def wheelhouse_for(python: Interpreter, folder: Path, say: Callable[[str], None]) -> Path:
    """Return a folder of wheels for a target, fetched unless an earlier build has it.

    Raises:
        EdgeError: see `fetch_wheels`.
    """
    version, libc = ".".join(map(str, python.python)), ".".join(map(str, python.libc_version))
    place = folder / re.sub(r"[^A-Za-z0-9._-]", "-", f"wheels-{version}-{python.arch}-{python.libc}{libc}")
    if not _is_filled(place, python.arch):
        known = f"{python.libc}-{libc}" if libc else OLDEST_LIBC
        fetch_wheels(place, python=version, arch=python.arch, libc=known, say=say)
    return place


def _is_filled(place: Path, arch: str) -> bool:
    """Whether a folder of wheels has the very edge-sdk that would be packed now."""
    mine = sorted(place.glob("edge_sdk-*.whl"))
    if len(mine) != 1:
        return False
    try:
        own = find_own_wheel([], metadata.version("edge-sdk"), arch)
        return own.name == mine[0].name and own.read_bytes() == mine[0].read_bytes()
    except SafetyError:  # there is no other one to be had
        return True
    except OSError as fault:
        raise TransferError(f"{place}: cannot be read: {fault.strerror}") from fault


def _is_there(path: Path, app: AppStatus | None) -> bool:
    with inspect_bundle(path) as bundle:
        slots = (app.confirmed, app.trial) if app is not None else ()
        return any(slot is not None and slot.manifest_sha256 == bundle.manifest_sha256 for slot in slots)
