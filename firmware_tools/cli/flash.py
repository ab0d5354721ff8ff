"""`edge-sdk flash`: a signed bundle onto a board, or the version before back onto it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from edge_sdk.config.project import ProjectFile
from edge_sdk.errors import SafetyError, UsageError
from firmware_tools.cli import keys
from firmware_tools.cli.bundle import keys_for
from firmware_tools.cli.target_options import add_target_options, place_of, project_here, trust_root
from firmware_tools.flash import source
from firmware_tools.flash.deploy import Options, install, open_bundle, roll_back
from firmware_tools.flash.device import Device
from firmware_tools.flash.engine import told
from firmware_tools.flash.events import Events, JsonEvents, PeopleEvents
from firmware_tools.flash.machine import interpreter_of
from firmware_tools.flash.plan import Plan

_EXAMPLE = """examples:
  edge-sdk flash --board jetson app.edgeb                 the one jetson that is configured and answers
  edge-sdk flash --host root@10.0.0.7 app.edgeb
  edge-sdk flash                                          the project of this folder, to its host
  edge-sdk flash --board sim --dir ROOT app.edgeb --trust trust/ --yes
  edge-sdk flash --host press-7 --dry-run --json
  edge-sdk flash --host press-7 --rollback

The device judges a new version itself and goes back when it is not healthy, also when this command is cut off.
The same command goes on where it ended."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "file", metavar="APP.edgeb|PIPELINE.toml", type=Path, nargs="?", help="default the project's pipeline"
    )
    parser.add_argument("--board", metavar="B", default="", help="name or family; looked for where --host is not said")
    add_target_options(parser)
    what = parser.add_argument_group("what")
    what.add_argument("--name", default="", help="of the application; default the pipeline's")
    what.add_argument("--version", default="", metavar="X.Y.Z", help="of what is built; default the project's")
    what.add_argument("--trust", metavar="DIR", type=Path, help="whom to believe; default the project's, or your own")
    what.add_argument("--key", metavar="KEY.pem", type=Path, action="append", default=[], help="signs what is built")
    keys.add_passphrase(what)
    what.add_argument("--wheelhouse", metavar="DIR", type=Path, help="Python wheels for the board; default fetched")
    what.add_argument("--rollback", action="store_true", help="the version before, in place of a new one")
    how = parser.add_argument_group("how")
    how.add_argument("--yes", action="store_true", help="ask nothing")
    how.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
    how.add_argument("--json", action="store_true", help="events on stdout, one JSON object per line")
    how.add_argument("--now", action="store_true", help="whatever the maintenance window says")
    how.add_argument("--allow-downgrade", action="store_true", help="take an older bundle")
    how.add_argument(
        "--gate", metavar="S", type=_gate, default=0, help="seconds to become healthy; default the bundle's"
    )
    how.add_argument("--no-wait", action="store_true", help="do not wait for the device's verdict")


def run(args: argparse.Namespace) -> int:
    """Flash, or roll back."""
    events: Events = JsonEvents() if args.json else PeopleEvents()
    try:
        result = _flash(args, events)
    except KeyboardInterrupt as stopped:
        events.close()
        print("the same command goes on where this ended", file=sys.stderr)
        told(events, stopped)
        raise
    except Exception as error:
        told(events, error)
        raise
    if result:
        events.result(result)
    return 0


def _flash(args: argparse.Namespace, events: Events) -> dict[str, object]:
    _refuse(args)
    project = project_here()
    place = place_of(args, project, args.board)
    options = Options(
        ask=None if args.yes else _ask,
        dry_run=args.dry_run,
        now=args.now,
        allow_downgrade=args.allow_downgrade,
        wait=not args.no_wait,
        gate_s=args.gate,
    )
    with Device(place) as device:
        if args.rollback:
            return roll_back(device, args.name, options, events)
        given = args.file if args.file is not None and args.file.suffix != ".toml" else None
        path = given or _built(args, project, device, events)
        root = trust_root(args.trust, project)  # after the build, which may make the user's first keys
        with open_bundle(path, root, events) as bundle:
            if given is not None and args.name not in ("", bundle.manifest.name):
                raise UsageError(f"{path}: is {bundle.manifest.name}, not {args.name}", hint="leave --name away")
            return install(device, bundle, root, options, events)


def _refuse(args: argparse.Namespace) -> None:
    """Refuse options that mean nothing together."""
    bundle = args.file is not None and args.file.suffix != ".toml"
    if args.rollback and args.file is not None:
        raise UsageError(f"--rollback: takes no file, got {args.file}", hint="edge-sdk flash --help")
    for option in ("allow_downgrade", "gate"):
        if args.rollback and getattr(args, option):
            text = f"--{option.replace('_', '-')}: is for what is installed; going back, the device knows"
            raise UsageError(text, hint="edge-sdk flash --rollback")
    for option in ("version", "key", "wheelhouse"):
        if getattr(args, option) and (bundle or args.rollback):
            raise UsageError(
                f"--{option}: is for what is built here, and nothing is",
                hint=f"edge-sdk bundle PIPELINE.toml --{option} ...",
            )


def _built(args: argparse.Namespace, project: ProjectFile | None, device: Device, events: Events) -> Path:
    """Build the project's bundle for the target and return where it is."""
    pipeline = source.pipeline_of(args.file, project)
    name = source.name_of(pipeline, args.name)
    folder = (project.folder if project is not None else pipeline.absolute().parent) / "build"
    signers = tuple(keys_for(args, project))
    said = args.wheelhouse or (project.path(project.project.wheelhouse) if project is not None else None)
    wheels = wheels_for(said, device, folder, events.note)
    facts = device.look(wheels=wheels is not None)
    version = args.version or (project.project.version if project is not None else source.DEFAULT_VERSION)
    recipe = source.Recipe(
        pipeline=pipeline,
        output=folder / f"{name}.edgeb",
        name=name,
        version=version,
        board=args.board or device.place.board,
        wheelhouse=wheels,
        keys=signers,
    )
    events.note(f"building {name} {version}")
    newest = facts.counters.get(name, 0) if facts is not None else 0
    return source.build(recipe, newest, device.app(name), lambda done, total: events.progress("packing", done, total))


def wheels_for(said: Path | None, device: Device, folder: Path, say: Callable[[str], None]) -> Path | None:
    """Return the wheels to pack: as said, else fetched ones; None where the target has its own packages."""
    if said is not None or device.own_packages:
        return said
    python = interpreter_of(device.target_facts)
    if python is None:
        raise SafetyError(f"{device.transport.target}: has no Python", hint="install python3, 3.10 or newer, there")
    return source.wheelhouse_for(python, folder, say)


def _ask(plan: Plan) -> bool:
    """Ask the person at the terminal.

    Raises:
        UsageError: nobody is there.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            f"{plan.target}: nobody is there to say yes (standard input is no terminal)",
            hint="--yes says it beforehand",
        )
    print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline(16).strip().lower() in ("y", "yes")


def _gate(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:6]) <= 3600:
        raise argparse.ArgumentTypeError(f"expected 1 to 3600 seconds, got {text[:40]!r}")
    return int(text)
