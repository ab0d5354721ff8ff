"""`edge-sdk status`: what runs on a board, how it is, and what was given up there."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from edge_sdk.errors import DeadlineError, TargetNotFoundError, TransferError
from firmware_tools.cli.target_options import add_target_options, place_of, project_here
from firmware_tools.flash.deploy import only_app
from firmware_tools.flash.device import Device
from firmware_tools.flash.events import clean
from firmware_tools.flash.receipt import operator
from firmware_tools.flash.steps import answer
from firmware_tools.update.messages import AppStatus, Slot

REFRESH_S = 1.0
DEFAULT_LINES = 100
MOST_LINES = 10_000
_EXAMPLE = """examples:
  edge-sdk status                          the one configured host, or this machine
  edge-sdk status --host press-7 --follow
  edge-sdk status --host press-7 --logs 50
  edge-sdk status --host press-7 --confirm
  edge-sdk status --dir ROOT --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EXAMPLE
    add_target_options(parser)
    parser.add_argument("--name", default="", help="of the application; default all, or the only one")
    parser.add_argument("--json", action="store_true", help="one JSON object; with --follow one per line")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--follow", action="store_true", help="again every second")
    what.add_argument(
        "--logs", metavar="N", type=_lines, nargs="?", const=DEFAULT_LINES, help=f"last lines; default {DEFAULT_LINES}"
    )
    what.add_argument("--confirm", action="store_true", help="keep the version on trial, whatever the device would say")


def run(args: argparse.Namespace) -> int:
    """Print the answer on stdout."""
    place = place_of(args, project_here(), here=True)
    with Device(place) as device:
        if device.look(wheels=True) is None:
            raise _nothing(device)
        apps = _wanted(device, args.name)
        if args.logs is not None:
            return _logs(device, args.name or only_app(device), args.logs, args.json)
        if args.confirm:
            device.link.lock(operator())
            status = answer(device.link.call("confirm", name=args.name or only_app(device)), AppStatus, "confirm")
            apps = [status]
        if args.follow:
            return _follow(device, args.name, args.json)
        print(json.dumps(as_json(device, apps)) if args.json else "\n".join(describe(device.transport.target, apps)))
    return 0


def as_json(device: Device, apps: Sequence[AppStatus]) -> dict[str, object]:
    """Return everything as one object."""
    facts = device.facts
    return {
        "target": device.transport.target,
        "board": device.place.board,
        "boot": facts.boot if facts is not None else "",
        "apps": msgspec.to_builtins(list(apps)),
    }


def describe(target: str, apps: Sequence[AppStatus]) -> Iterator[str]:
    """Yield the lines for people."""
    yield clean(target)
    for app in apps:
        runs = app.trial or app.confirmed
        yield clean(f"{app.name}  {runs.version if runs else 'nothing'}  {app.phase}")
        if app.trial is not None:
            yield clean(f"  on trial  {app.trial.id} ({app.kind}), start {app.attempts}")
        yield clean(f"  runs      {_slot(app.confirmed)}")
        yield clean(f"  before    {_slot(app.previous)}")
        if app.verdict:
            yield clean(f"  health    {app.verdict}")
        if app.pid:
            sent = f"{app.results} results, {app.delivered} delivered, {app.waiting} waiting"
            yield f"  figures   {sent}, p99 {app.p99_ms:.1f} ms, {app.memory_mib} MiB, pid {app.pid}"
        for failure in app.failures:
            yield clean(f"  given up  {failure.slot} after {failure.attempts} starts, {failure.utc}: {failure.reason}")


def _slot(slot: Slot | None) -> str:
    return f"{slot.version}, counter {slot.counter}, {slot.id}" if slot is not None else "nothing"


def _wanted(device: Device, name: str) -> list[AppStatus]:
    apps = list(device.facts.apps) if device.facts is not None else []
    found = [app for app in apps if name in ("", app.name)]
    if not found:
        raise _nothing(device, name, [app.name for app in apps])
    return found


def _nothing(device: Device, name: str = "", known: Sequence[str] = ()) -> TargetNotFoundError:
    what = f"{name} is not installed there" if name else "nothing is installed there"
    listed = f" (it has {', '.join(map(clean, known))})" if known else ""
    hint = f"edge-sdk flash {device.transport.words} APP.edgeb".replace("  ", " ")
    return TargetNotFoundError(f"{device.transport.target}: {what}{listed}", hint=hint)


def _logs(device: Device, name: str, lines: int, as_object: bool) -> int:
    found = [clean(line) for line in answer(device.link.call("logs", name=name, lines=lines), list[str], "logs")]
    if as_object:
        print(json.dumps({"target": device.transport.target, "app": name, "logs": found}))
    else:
        sys.stdout.writelines(f"{line}\n" for line in found)
    return 0


def _follow(device: Device, name: str, as_lines: bool) -> int:
    """Show it again and again, until a person has seen enough."""
    console = Console(markup=False, highlight=False)
    if as_lines or not console.is_terminal:
        for apps in statuses(device, name):
            text = json.dumps(as_json(device, apps)) if as_lines else "\n".join(describe(device.transport.target, apps))
            print(text, flush=True)
        return 0
    with Live(console=console, auto_refresh=False) as live:
        for apps in statuses(device, name):
            live.update(Text("\n".join(describe(device.transport.target, apps))), refresh=True)
    return 0


def statuses(
    device: Device, name: str, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Iterator[list[AppStatus]]:
    """Yield what runs there, about once a second; a connection that was lost is made again."""
    while True:
        began_s = clock()
        try:
            yield answer(device.link.call("status", name=name), list[AppStatus], "status")
        except (TransferError, DeadlineError) as lost:
            print(f"connection lost: {clean(lost.message, 200)}; trying again", file=sys.stderr)
            device.close()
            _look_again(device)
        sleep(max(0.0, REFRESH_S - (clock() - began_s)))


def _look_again(device: Device) -> None:
    try:
        device.look(wheels=True)
    except (TransferError, DeadlineError, TargetNotFoundError):
        device.close()


def _lines(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_LINES:
        raise argparse.ArgumentTypeError(f"expected 1 to {MOST_LINES}, got {text[:40]!r}")
    return int(text)
