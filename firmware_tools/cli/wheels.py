"""`edge-sdk bundle wheels`: a folder of Python wheels for a board that has no network, or another processor."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from edge_sdk.board import Family, load_boards
from edge_sdk.errors import TargetNotFoundError, UsageError
from edge_sdk.units import si_bytes
from firmware_tools.bundle.fetch_wheels import OLDEST_LIBC, fetch_wheels
from firmware_tools.bundle.wheels import ARCHES

_EXAMPLE = """edge-sdk's own wheel comes from a folder of this machine, never from the index: `make wheels` makes it.

examples:
  edge-sdk bundle wheels wheels --board raspberrypi-5
  edge-sdk bundle wheels wheels --arch aarch64 --python 3.10 --libc 2.35 --find-links dist"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = "Fill a folder with the wheels of edge-sdk and of all it needs, for a board."
    parser.epilog = _EXAMPLE
    option = parser.add_argument
    option("folder", metavar="DIR", type=Path, help="wheels that lie there already are replaced")
    option("--board", default="", metavar="B", help="fixes the architecture")
    option("--arch", choices=ARCHES, help="default: the board's, else this machine's")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    option("--python", default=here, metavar="3.N", help="of the board (default: this one, %(default)s)")
    option("--libc", default=OLDEST_LIBC, metavar="2.N", help="glibc of the board, at least (default: %(default)s)")
    option("--find-links", metavar="DIR", type=Path, action="append", default=[], help="a folder with more wheels")
    option("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Fetch them."""
    for folder in args.find_links:
        if not folder.is_dir():
            raise TargetNotFoundError(f"--find-links {folder}: no such folder")
    arch = _arch(args)
    names = fetch_wheels(args.folder, python=args.python, arch=arch, libc=args.libc, find_links=args.find_links)
    size = sum((args.folder / name).stat().st_size for name in names)
    print(f"{args.folder}: {len(names)} wheels for Python {args.python} on {arch}, {si_bytes(size)}", file=sys.stderr)
    if args.json:
        print(json.dumps({"folder": str(args.folder), "arch": arch, "python": args.python, "wheels": names}))
    return 0


def _arch(args: argparse.Namespace) -> str:
    """Return the architecture that --arch and --board agree on."""
    boards = _boards_arch(args.board) if args.board else ""
    if args.arch and boards and args.arch != boards:
        raise UsageError(f"--arch {args.arch}: {args.board} is {boards}", hint="leave one of the two out")
    found: str = args.arch or boards or platform.machine()
    if found not in ARCHES:
        raise UsageError(f"this machine is {found}; expected --arch {' or '.join(ARCHES)}")
    return found


def _boards_arch(word: str) -> str:
    """Return the architecture of a board, or of all boards of a family; "" where there are several."""
    catalogue = load_boards()
    entry = catalogue.lookup(word)
    members = catalogue.members(entry.name) if isinstance(entry, Family) else (entry,)
    arches = {board.cpu.arch for board in members}
    return next(iter(arches)) if len(arches) == 1 and arches != {"any"} else ""
