"""Building a bundle, step by step: find the files, convert the models, ask them, add what the board needs, write."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edge_sdk.board import Board, Family, load_boards
from edge_sdk.errors import ConfigError
from firmware_tools.bundle import golden
from firmware_tools.bundle.engine_process import edge_sdk
from firmware_tools.bundle.manifest import PIPELINE, Golden, Limits, Manifest, Requires, SdkRange
from firmware_tools.bundle.module_facts import ModuleFacts, module_facts
from firmware_tools.bundle.reader import Progress
from firmware_tools.bundle.references import References, read_references
from firmware_tools.bundle.requires import version as numbers
from firmware_tools.bundle.system_files import service_unit, udev_rules
from firmware_tools.bundle.toml_text import toml_text
from firmware_tools.bundle.wheels import collect_wheels
from firmware_tools.bundle.writer import Content, entries_of, write_bundle
from firmware_tools.sign import PrivateKey
from firmware_tools.sign.store import NAME

#: Python, numpy and the engine (57 MiB for a replay with one small model on x86-64), with room for queues and brokers.
BASE_MIB = 256
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True)
class Order:
    """What to build.

    Attributes:
        name: default the pipeline's.
        version: X.Y.Z.
        counter: default made of the version: X * 1000000 + Y * 1000 + Z.
        board: name or family; "" for any.
    """

    pipeline: Path
    output: Path
    name: str = ""
    version: str = "0.0.1"
    counter: int | None = None
    rollback_floor: int = 0
    board: str = ""
    wheelhouse: Path | None = None


def build_bundle(order: Order, keys: Sequence[PrivateKey], progress: Progress | None = None) -> Manifest:
    """Build the bundle, sign it with each key, and return its manifest.

    Raises:
        EdgeError: any mistake in the project; the output is not touched.
    """
    counter = counter_of(order.version) if order.counter is None else order.counter
    references = read_references(order.pipeline)
    name = order.name or references.name
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name[:80]!r}: expected 1 to 64 letters, digits, '.', '_' or '-'", hint="--name press-7"
        )
    with tempfile.TemporaryDirectory(prefix="edge-bundle-") as folder:
        contents = _pipeline_files(references, Path(folder))
        facts = {one.path: module_facts(_path(one)) for one in contents if one.role == "model"}
        vectors = _golden(contents, facts, Path(folder))
        boards, compatible, arch = _boards(order.board)
        if order.wheelhouse is not None:
            wheels, arch = collect_wheels(order.wheelhouse, arch)
            contents += wheels
        memory_mib = _memory_mib(list(facts.values()))
        contents += _system(name, memory_mib, references)
        manifest = Manifest(
            schema=1,
            name=name,
            version=order.version,
            counter=counter,
            rollback_floor=order.rollback_floor,
            created_by=f"edge-sdk {metadata.version('edge-sdk')}",
            requires=Requires(arch=arch, boards=boards, compatible=compatible, sdk=_sdk_range(), ram_mib=memory_mib),  # type: ignore[arg-type]
            limits=Limits(memory_mib=memory_mib),
            environment=references.environment,
            files=entries_of(contents),
            golden=vectors,
        )
        write_bundle(order.output, manifest, contents, keys, progress)
    return manifest


def counter_of(version: str) -> int:
    """Return the counter a version stands for: it rises with the version.

    Raises:
        ConfigError: not X.Y.Z with numbers below 1000.
    """
    if not _VERSION.fullmatch(version):
        raise ConfigError(f"version {version[:40]!r}: expected X.Y.Z with numbers below 1000", hint="--version 1.0.0")
    major, minor, patch = numbers(version)
    return major * 1_000_000 + minor * 1000 + patch


def _path(content: Content) -> Path:
    assert isinstance(content.source, Path)  # noqa: S101 - models are always files
    return content.source


def _pipeline_files(references: References, folder: Path) -> list[Content]:
    """Return the pipeline and what it names; .tflite models are converted into `folder`."""
    text = toml_text(references.table, "Made by edge-sdk bundle; change the project it comes from.")
    contents = [Content(PIPELINE, "pipeline", text.encode())]
    for place, (role, source) in references.files.items():
        if role == "model" and source.suffix != ".wasm":
            module = folder / Path(place).name
            edge_sdk("convert", source.absolute(), "-o", module, folder=folder)
            source = module
        contents.append(Content(place, role, source))
    return contents


def _golden(contents: list[Content], facts: dict[str, ModuleFacts], folder: Path) -> tuple[Golden, ...]:
    """Ask every model; its answers join `contents`."""
    vectors = []
    for model in [one for one in contents if one.role == "model"]:
        vector, files = golden.record(model.path, _path(model), facts[model.path], folder)
        vectors.append(vector)
        contents += files
    return tuple(sorted(vectors, key=lambda one: one.model))


def _boards(word: str) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return names, device-tree strings and architecture of a board, or of all members of a family."""
    if not word:
        return (), (), "any"
    catalogue = load_boards()
    entry = catalogue.lookup(word)
    members: tuple[Board, ...] = catalogue.members(entry.name) if isinstance(entry, Family) else (entry,)
    arches = {board.cpu.arch for board in members}
    names = tuple(sorted(board.name for board in members))
    compatible = tuple(sorted({text for board in members for text in board.compatible}))
    return names, compatible, arches.pop() if len(arches) == 1 else "any"


def _memory_mib(models: Sequence[ModuleFacts]) -> int:
    """Return what the application may take: each model once in the sandbox, once packed for the host kernels."""
    return BASE_MIB + sum(2 * -(-model.memory_bytes // (1 << 20)) for model in models)


def _system(name: str, memory_mib: int, references: References) -> list[Content]:
    unit = service_unit(name, memory_mib, serial=bool(references.ports))
    contents = [Content(f"system/edge-sdk-{name}.service", "unit", unit.encode())]
    if rules := udev_rules(references.ports):
        contents.append(Content(f"system/70-edge-sdk-{name}.rules", "udev", rules.encode()))
    return contents


def _sdk_range() -> SdkRange:
    """From this version up to where its promises end: the next minor one before 1.0, the next major one after."""
    major, minor, patch = numbers(metadata.version("edge-sdk"))
    below = f"0.{minor + 1}.0" if major == 0 else f"{major + 1}.0.0"
    return SdkRange(least=f"{major}.{minor}.{patch}", below=below)
