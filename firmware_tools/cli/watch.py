"""`edge-sdk run PIPELINE.toml --host H`: run it there, on trial; with `--watch` every save anew."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_sdk.config.project import ProjectFile, find_project, known_hosts
from edge_sdk.errors import ConfigError, TransferError
from firmware_tools.bundle import Bundle
from firmware_tools.bundle.build import Order, prepare
from firmware_tools.bundle.draft import Draft
from firmware_tools.bundle.references import named_files, read_references
from firmware_tools.bundle.warm_engine import WarmEngine
from firmware_tools.bundle.workshop import Workshop
from firmware_tools.cli.bundle import keys_for
from firmware_tools.cli.flash import wheels_for
from firmware_tools.cli.target_options import trust_root
from firmware_tools.flash.device import Device
from firmware_tools.flash.look import Address, find_place
from firmware_tools.flash.source import DEFAULT_VERSION
from firmware_tools.flash.watch import Watch
from firmware_tools.flash.watch_told import JsonTold, PeopleTold, Told, note
from firmware_tools.flash.watched_device import WatchedDevice
from firmware_tools.sign import PrivateKey

INTERRUPTED = 130


@dataclass(frozen=True)
class Edited:
    """The project that is edited; see `watch.Project`."""

    pipeline: Path
    name: str
    version: str
    board: str
    wheelhouse: Path | None
    keys: Sequence[PrivateKey]
    workshop: Workshop

    def files(self) -> Sequence[Path]:
        return named_files(self.pipeline)

    def build(self, counter: int) -> Bundle:
        called = read_references(self.pipeline).name
        if called != self.name:
            raise ConfigError(
                f"{self.pipeline}: name: was {self.name!r} and is {called!r} now, which is another application",
                hint="start the command again",
            )
        order = Order(
            pipeline=self.pipeline,
            output=Path(),  # it is never written down
            name=self.name,
            version=self.version,
            counter=counter,
            board=self.board,
            wheelhouse=self.wheelhouse,
        )
        return Draft(*prepare(order, self.workshop), self.keys)


def run(args: argparse.Namespace) -> int:
    """Watch until a person ends it.

    Args:
        args: `target`, `host`, `watch`, `key`, `passphrase`, `json` and `duration` of `edge-sdk run`.
    """
    told: Told = JsonTold() if args.json else PeopleTold()
    pipeline: Path = args.target
    name = read_references(pipeline).name
    project = find_project(pipeline.absolute().parent)
    keys = keys_for(args, project)
    place = find_place(Address(host=args.host), known_hosts(project))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="edge-watch-") as folder,
            WarmEngine(Path(folder)) as engine,
            Device(place) as device,
        ):
            edited = _edited(pipeline, name, project, device, keys, Workshop(Path(folder), engine), told)
            return _watch(edited, WatchedDevice(device, name, trust_root(None, project)), told, args)
    except OSError as fault:
        if isinstance(fault, TransferError):
            raise
        raise TransferError(f"{tempfile.gettempdir()}: cannot be written: {fault.strerror}") from fault


def _edited(
    pipeline: Path,
    name: str,
    project: ProjectFile | None,
    device: Device,
    keys: Sequence[PrivateKey],
    workshop: Workshop,
    told: Told,
) -> Edited:
    """Look at the device, and return what is built for it."""
    folder = (project.folder if project is not None else pipeline.absolute().parent) / "build"
    said = project.path(project.project.wheelhouse) if project is not None else None
    wheelhouse = wheels_for(said, device, folder, lambda text: told.news(note(text)))
    device.look(wheels=wheelhouse is not None)
    version = project.project.version if project is not None else DEFAULT_VERSION
    return Edited(pipeline, name, version, device.place.board, wheelhouse, keys, workshop)


def _watch(edited: Edited, target: WatchedDevice, told: Told, args: argparse.Namespace) -> int:
    watch = Watch(edited, target, told, once=not args.watch)
    try:
        watch.run(args.duration)
    except KeyboardInterrupt:
        watch.farewell()
        return INTERRUPTED
    watch.farewell()
    return 0
