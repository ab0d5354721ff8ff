"""`edge-sdk boards`: which boards there are, what one of them offers, and which one this machine is."""

from __future__ import annotations

import argparse
import json
from typing import Any

import msgspec

from edge_sdk.board import Board, Catalogue, Detection, Family, identify, load_boards, read_probe
from edge_sdk.errors import EdgeError

_EXAMPLE = """examples:
  edge-sdk boards list
  edge-sdk boards show raspberrypi-5 --json
  EDGE_SDK_BOARDS=./boards edge-sdk boards show my-gateway"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare `list` and `show NAME`."""
    parser.epilog = _EXAMPLE
    verbs = parser.add_subparsers(dest="verb", metavar="list|show", required=True)
    layout: dict[str, Any] = {"epilog": _EXAMPLE, "formatter_class": parser.formatter_class}
    every = verbs.add_parser("list", help="all boards; the one of this machine is marked", **layout)
    one = verbs.add_parser("show", help="all facts of a board or family, with their sources", **layout)
    one.add_argument("name", metavar="NAME", help="name or alias, such as raspberrypi-5 or pi5")
    for verb in (every, one):
        verb.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the answer on stdout."""
    catalogue = load_boards()
    if args.verb == "show":
        entry = catalogue.lookup(args.name)
        print(json.dumps(facts(entry, catalogue), indent=2) if args.json else "\n".join(describe(entry, catalogue)))
        return 0
    here = _this_machine(catalogue)
    name = here.board.name if here is not None and here.board is not None else None
    print(json.dumps(listing(catalogue, name), indent=2) if args.json else "\n".join(table(catalogue, name)))
    return 0


def listing(catalogue: Catalogue, here: str | None) -> dict[str, Any]:
    """Return the JSON of `boards list`."""
    rows = [
        {
            "name": board.name,
            "title": board.title,
            "family": board.extends,
            "arch": board.cpu.arch,
            "aliases": list(board.aliases),
            "this_machine": board.name == here,
        }
        for board in catalogue.boards.values()
    ]
    return {"boards": rows, "families": sorted(catalogue.families), "this_machine": here}


def table(catalogue: Catalogue, here: str | None) -> list[str]:
    """Return the lines of `boards list`."""
    rows = [
        ("*" if board.name == here else " ", board.name, board.cpu.arch, board.title, ", ".join(board.aliases))
        for board in catalogue.boards.values()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in rows
    ]
    return [line.rstrip() for line in lines] + ["", "* this machine"] * (here is not None)


def facts(entry: Board | Family, catalogue: Catalogue) -> dict[str, Any]:
    """Return the JSON of `boards show`: the file's keys, families merged in, and where the file is."""
    content: dict[str, Any] = msgspec.to_builtins(entry)
    content["file"] = str(catalogue.paths[entry.name])
    if isinstance(entry, Family):
        content["members"] = [board.name for board in catalogue.members(entry.name)]
    return content


def describe(entry: Board | Family, catalogue: Catalogue) -> list[str]:
    """Return the lines of `boards show`, each figure followed by its source."""
    lines = [f"{entry.title} ({entry.name})", f"  file      {catalogue.paths[entry.name]}"]
    if isinstance(entry, Family):
        lines.append(f"  members   {', '.join(board.name for board in catalogue.members(entry.name))}")
    if entry.extends:
        lines.append(f"  family    {entry.extends}")
    if entry.aliases:
        lines.append(f"  aliases   {', '.join(entry.aliases)}")
    for label, text, source in _figures(entry):
        lines += [f"  {label.ljust(9)} {text}", f"            source: {source}"]
    return lines


def _figures(entry: Board | Family) -> list[tuple[str, str, str]]:
    """Return (label, text, source) of every fact, in the order people ask for them."""
    rows = []
    if (cpu := entry.cpu) is not None:
        features = " ".join(cpu.features) or "nothing in particular"
        text = f"{cpu.cores} x {cpu.model} ({cpu.arch}), up to {cpu.max_mhz} MHz; expected: {features}"
        rows.append(("cpu", text, cpu.source))
    if (memory := entry.memory) is not None:
        rows.append(("memory", " or ".join(f"{size} MiB" for size in memory.fitted_mib), memory.source))
    if (wasm := entry.wasm) is not None:
        text = f"{wasm.memory_mib} MiB a model, {wasm.reservation_mib} MiB of addresses reserved"
        rows.append(("wasm", text, wasm.source))
    if (engine := entry.engine) is not None:
        rows.append(("engine", f"{' then '.join(engine.order)}; threads: {engine.threads}", engine.source))
    for kind in ("serial", "can", "i2c", "gpio", "usb"):
        rows += [(kind, f"{port.device}: {port.title}", port.source) for port in getattr(entry.io, kind)]
    if (power := entry.power) is not None:
        place = power.path or power.command
        text = power.sensor + (f", {place}" if place else "") + (f"; {power.covers}" if power.covers else "")
        rows.append(("power", text, power.source))
    rows += [("flash", f"{way.transport}: {way.title}", way.source) for way in entry.flash]
    for rule in entry.detect:
        said = next(f"{key} = {value}" for key, value in _condition(rule).items())
        rows.append(("detect", f"{said} ({rule.weight} points)", rule.source))
    return rows


def _condition(rule: Any) -> dict[str, Any]:
    content = msgspec.to_builtins(rule)
    return {key: value for key, value in content.items() if key not in ("weight", "source") and value is not None}


def _this_machine(catalogue: Catalogue) -> Detection | None:
    """Return what this machine is; a wrong EDGE_BOARD must not keep anyone from listing the right names."""
    try:
        return identify(read_probe(look_for=catalogue.files_to_look_for()), catalogue)
    except EdgeError:
        return None
