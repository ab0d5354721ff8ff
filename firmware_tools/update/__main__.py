"""The device's side as a command, for people on the device and for its services.
python3 -m firmware_tools.update [--root /] status [NAME]           one JSON value on stdout
python3 -m firmware_tools.update [--root /] choose|gate|supervise NAME
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from edge_sdk.errors import AccessDeniedError, BusyError, EdgeError, TransferError, UsageError
from edge_sdk.registry import nearest
from edge_sdk.units import printable
from firmware_tools.sign.store import NAME
from firmware_tools.update.folders import make_folders, writing
from firmware_tools.update.layout import Layout

#: What services run -> its module, which has a function of the same name.
SERVICES = {
    "choose": "firmware_tools.update.choose",
    "gate": "firmware_tools.update.gate",
    "supervise": "firmware_tools.update.supervise",
}
#: verb -> (its positional arguments, its options, whether it changes the device).
VERBS: dict[str, tuple[tuple[str, ...], tuple[str, ...], bool]] = {
    "activate": (("name", "slot"), ("now",), True),
    "collect": ((), (), True),
    "confirm": (("name",), (), True),
    "facts": ((), (), False),
    "logs": (("name",), ("lines",), False),
    "restart": (("name",), (), True),
    "rollback": (("name",), ("now",), True),
    "selftest": (("name", "slot"), (), True),
    "status": (("name",), (), False),
    "verify": (("name", "slot"), (), False),
}
INTERRUPTED = 130
PROGRAM = "python3 -m firmware_tools.update"


class Parser(argparse.ArgumentParser):
    """argparse with our error style."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{PROGRAM} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        return _run(_parse(sys.argv[1:] if argv is None else argv))
    except EdgeError as error:
        return _report(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as fault:
        kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
        return _report(kind(f"{fault.filename or PROGRAM}: {fault.strerror or fault}"))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as leave:  # argparse printed a help text
        return leave.code if isinstance(leave.code, int) else 0


def _parse(words: Sequence[str]) -> argparse.Namespace:
    commands = sorted({*SERVICES, *VERBS})
    parser = Parser(prog=PROGRAM, description="The device's side of updates.", allow_abbrev=False)
    parser.add_argument("--root", type=Path, default=Path("/"), help="folder that stands for /")
    parser.add_argument("command", metavar="COMMAND", help=", ".join(commands))
    parser.add_argument("name", nargs="?", help="of an application")
    parser.add_argument("slot", nargs="?", help="a version of it, as `status` shows it")
    parser.add_argument("--now", action="store_const", const=True, help="whatever the maintenance window says")
    parser.add_argument("--lines", type=int, help="of the log")
    args = parser.parse_args(words)
    if args.command not in commands:
        raise UsageError(f"unknown command {args.command!r}{nearest(args.command, commands)}", hint=f"{PROGRAM} --help")
    return args


def _run(args: argparse.Namespace) -> int:
    layout = Layout(args.root.absolute())
    takes = VERBS.get(args.command, (("name",), (), False))
    given = {key: value for key in ("name", "slot", "now", "lines") if (value := getattr(args, key)) is not None}
    for key in given.keys() - {*takes[0], *takes[1]}:
        raise UsageError(f"{args.command} takes no {key}", hint=f"{PROGRAM} --help")
    if missing := [word for word in takes[0] if word not in given and args.command != "status"]:
        raise UsageError(f"{args.command}: expected {' and '.join(missing)}", hint=f"{PROGRAM} status")
    if args.command in SERVICES:
        if not NAME.fullmatch(args.name):
            raise UsageError(f"{args.name[:80]!r} is no name of an application", hint=f"{PROGRAM} status")
        result = getattr(import_module(SERVICES[args.command]), args.command)(layout, args.name)
        return result if isinstance(result, int) else 0
    with _lock(layout, needed=takes[2]):
        print(json.dumps(_answer(layout, args.command, given)))
        sys.stdout.flush()
    return 0


def _answer(layout: Layout, verb: str, arguments: dict[str, Any]) -> Any:
    from firmware_tools.update.verbs import dispatch

    return dispatch(layout, verb, arguments)


@contextmanager
def _lock(layout: Layout, *, needed: bool) -> Iterator[None]:
    """Keep out whoever else changes the device.

    Raises:
        BusyError: somebody does already.
    """
    if not needed:
        yield
        return
    make_folders(layout.lock.parent)
    with writing(layout.lock):
        handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{layout.lock}: somebody else changes this device now", hint="try again") from None
        yield
    finally:
        os.close(handle)


def _report(error: EdgeError) -> int:
    print(f"error: {printable(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"try: {printable(error.hint)}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
