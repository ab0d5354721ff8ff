"""Building a bundle, step by step: find the files, convert the models, check, ask, add what the board needs, write."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edge_sdk.board import Board, Family, load_boards
from edge_sdk.errors import ConfigError, EdgeError
from firmware_tools.bundle.manifest import PIPELINE, Golden, Health, Limits, Manifest, Requires, SdkRange
from firmware_tools.bundle.module_facts import ModuleFacts, module_facts
from firmware_tools.bundle.reader import Progress
from firmware_tools.bundle.references import References, read_references
from firmware_tools.bundle.requires import version as numbers
from firmware_tools.bundle.system_files import service_unit, udev_rules
from firmware_tools.bundle.toml_text import toml_text
from firmware_tools.bundle.wheels import collect_wheels
from firmware_tools.bundle.workshop import Workshop
from firmware_tools.bundle.writer import Content, write_bundle
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
    with tempfile.TemporaryDirectory(prefix="edge-bundle-") as folder:
        manifest, contents = prepare(order, Workshop(Path(folder)))
        write_bundle(order.output, manifest, contents, keys, progress)
    return manifest


def prepare(order: Order, workshop: Workshop) -> tuple[Manifest, list[Content]]:
    """Return the manifest of a bundle and what goes into it; nothing is written but in the workshop.

    Raises:
        EdgeError: any mistake in the project.
    """
    counter = counter_of(order.version) if order.counter is None else order.counter
    references = read_references(order.pipeline)
    name = order.name or references.name
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name[:80]!r}: expected 1 to 64 letters, digits, '.', '_' or '-'", hint="--name press-7"
        )
    contents = _pipeline_files(references, workshop)
    _check(order.pipeline, contents, references, workshop)
    facts = {one.path: module_facts(_path(one)) for one in contents if one.role == "model"}
    vectors = _golden(contents, facts, workshop)
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
        health=_health(references),
        environment=references.environment,
        files=workshop.entries(contents),
        golden=vectors,
    )
    return manifest, contents


def counter_of(version: str) -> int:
    """Return the counter a version stands for: it rises with the version.

    Raises:
        ConfigError: not X.Y.Z with numbers below 1000, or nothing but zeros.
    """
    if not _VERSION.fullmatch(version):
        raise ConfigError(f"version {version[:40]!r}: expected X.Y.Z with numbers below 1000", hint="--version 1.0.0")
    if not any(numbers(version)):
        raise ConfigError(f"version {version}: expected 0.0.1 or higher", hint="--version 0.0.1")
    major, minor, patch = numbers(version)
    return major * 1_000_000 + minor * 1000 + patch


def _path(content: Content) -> Path:
    assert isinstance(content.source, Path)  # noqa: S101 - models are always files
    return content.source


def _pipeline_files(references: References, workshop: Workshop) -> list[Content]:
    """Return the pipeline and what it names; models become modules."""
    text = toml_text(references.table, "Made by edge-sdk bundle; change the project it comes from.")
    contents = [Content(PIPELINE, "pipeline", text.encode())]
    for place, (role, source) in references.files.items():
        contents.append(Content(place, role, workshop.module(source) if role == "model" else source))
    return contents


def _check(pipeline: Path, contents: list[Content], references: References, workshop: Workshop) -> None:
    """Let the engine look for mistakes, in the files as the device will have them and without this machine's variables.

    Raises:
        EdgeError: the engine's complaint, about the pipeline as its author knows it.
    """
    known = {name: value for name, value in os.environ.items() if name not in references.environment}
    with workshop.new_folder() as slot:
        for one in contents:
            (slot / one.path).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(one.source, bytes):
                (slot / one.path).write_bytes(one.source)
            else:
                (slot / one.path).symlink_to(one.source.absolute())
        try:
            workshop.run("run", PIPELINE, "--check", "--engine", "sandbox", folder=slot, environment=known)
        except EdgeError as fault:
            if fault.message.startswith(f"{PIPELINE}: "):
                fault.message = f"{pipeline}{fault.message.removeprefix(PIPELINE)}"
            raise


def _health(references: References) -> Health:
    rules = references.health
    return Health(
        gate_s=rules.gate_s,
        hold_s=rules.hold_s,
        latency_p99_ms=rules.latency_p99_ms,
        sources=tuple(sorted(set(references.sources) - set(rules.optional_sources))),
        offline=rules.offline,
    )


def _golden(contents: list[Content], facts: dict[str, ModuleFacts], workshop: Workshop) -> tuple[Golden, ...]:
    """Ask every model; its answers join `contents`."""
    vectors = []
    for model in [one for one in contents if one.role == "model"]:
        vector, files = workshop.answers(model.path, _path(model), facts[model.path])
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
    deadlines_ms = [float(row.get("deadline_ms", 0)) for row in references.table.get("steps", [])]
    deadline_s = max(deadlines_ms, default=0.0) / 1000
    unit = service_unit(name, memory_mib, serial=bool(references.ports), deadline_s=deadline_s)
    contents = [Content(f"system/edge-sdk-{name}.service", "unit", unit.encode())]
    if rules := udev_rules(references.ports):
        contents.append(Content(f"system/70-edge-sdk-{name}.rules", "udev", rules.encode()))
    return contents


def _sdk_range() -> SdkRange:
    """From this version up to where its promises end: the next minor one before 1.0, the next major one after."""
    major, minor, patch = numbers(metadata.version("edge-sdk"))
    below = f"0.{minor + 1}.0" if major == 0 else f"{major + 1}.0.0"
    return SdkRange(least=f"{major}.{minor}.{patch}", below=below)
