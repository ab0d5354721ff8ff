"""The door of the command line: a literal table of verbs, each imported only when it is asked for.

A verb is a module with two functions:

    def configure(parser: argparse.ArgumentParser) -> None   # its options; `parser.epilog` ends with an example
    def run(args: argparse.Namespace) -> int                 # the exit code; raises EdgeError for what users can cause

Data goes to stdout, words for people to stderr. Errors are printed here, once, as `error: ...` and `try: ...`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module, metadata
from typing import NoReturn

from edge_sdk.cli.streams import lasting_streams
from edge_sdk.errors import AccessDeniedError, EdgeError, TransferError, UsageError
from edge_sdk.registry import nearest
from edge_sdk.units import printable

#: verb -> (module, one line for the list of commands).
COMMANDS: dict[str, tuple[str, str]] = {
    "bench": ("edge_sdk.cli.bench", "measure a model or a pipeline"),
    "boards": ("edge_sdk.cli.boards", "list the boards, show one"),
    "bundle": ("firmware_tools.cli.bundle", "pack a pipeline and its models into one signed file"),
    "convert": ("edge_sdk.cli.convert", "make a WebAssembly module of a model"),
    "doctor": ("edge_sdk.cli.doctor", "say what this machine is, what works and what is missing"),
    "flash": ("firmware_tools.cli.flash", "put a bundle on a board, or the version before back"),
    "init": ("edge_sdk.cli.init", "make a project from a template"),
    "run": ("edge_sdk.cli.run", "run a pipeline, or a model on one input"),
    "sim": ("edge_sdk.cli.sim", "simulate sensors and machines"),
    "status": ("firmware_tools.cli.status", "say what runs on a board and how it is"),
    "test": ("edge_sdk.cli.test", "run the golden tests of a project"),
}

INTERRUPTED = 130
_USAGE = "usage: edge-sdk COMMAND [OPTIONS]\n       edge-sdk COMMAND --help"
_EXAMPLE = "example:\n  edge-sdk run pipeline.toml --duration 60"


class Parser(argparse.ArgumentParser):
    """argparse with our error style: one `error:` line, one `try:` line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}", hint=f"{self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises for anything a user can cause."""
    with lasting_streams():
        return _guarded(list(sys.argv[1:] if argv is None else argv))


def _guarded(arguments: list[str]) -> int:
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except EdgeError as error:
        return _report(error)
    except BrokenPipeError:
        return _without_stdout(0)  # whoever read our stdout has enough (`| head`)
    except OSError as fault:
        return _without_stdout(_report(_input_or_output(fault)))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception:
        return _internal_bug()


def parser_for(command: str) -> argparse.ArgumentParser:
    """Return the parser of one verb; imports its module."""
    module_name, summary = COMMANDS[command]
    parser = Parser(
        prog=f"edge-sdk {command}",
        description=summary[0].upper() + summary[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    import_module(module_name).configure(parser)
    return parser


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if arguments else UsageError.exit_code
    if arguments[0] in ("-V", "--version"):
        print(f"edge-sdk {_version()}")
        return 0
    command = arguments[0]
    if command not in COMMANDS:
        kind = "option" if command.startswith("-") else "command"
        raise UsageError(f"unknown {kind} {command!r}{nearest(command, COMMANDS)}", hint="edge-sdk --help")
    try:
        args = parser_for(command).parse_args(arguments[1:])
    except SystemExit as leave:  # argparse printed a help text
        return leave.code if isinstance(leave.code, int) else 0
    return int(import_module(COMMANDS[command][0]).run(args))


def _overview() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name.ljust(width)}  {summary}" for name, (_, summary) in sorted(COMMANDS.items())]
    options = "options:\n  -h, --help     this text\n  -V, --version  the version"
    return "\n\n".join([_USAGE, "commands:\n" + "\n".join(rows), options, _EXAMPLE])


def _version() -> str:
    try:
        return metadata.version("edge-sdk")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _report(error: EdgeError) -> int:
    print(f"error: {printable(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"try: {printable(error.hint)}", file=sys.stderr)
    if os.environ.get("EDGE_SDK_DEBUG") == "1":
        traceback.print_exc()
    return error.exit_code


def _input_or_output(fault: OSError) -> EdgeError:
    """Return our error for a system call that failed outside every more specific place: a full disk behind stdout..."""
    kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
    name = f"{fault.filename}: " if fault.filename else ""
    return kind(f"{name}{fault.strerror or fault}")


def _without_stdout(code: int) -> int:
    """Keep the interpreter's last flush quiet: what is still buffered cannot be written."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _internal_bug() -> int:
    if os.environ.get("EDGE_SDK_DEBUG") == "1":
        traceback.print_exc()
        return 1
    summary = traceback.format_exc().rstrip().rpartition("\n")[2]
    print(f"error: internal bug: {printable(summary)}", file=sys.stderr)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="edge-sdk-bug-", suffix=".txt", delete=False) as report:
            report.write(f"edge-sdk {_version()}, Python {sys.version}\n\n{traceback.format_exc()}")
        print(f"try: report it with the file {report.name}; EDGE_SDK_DEBUG=1 shows the traceback", file=sys.stderr)
    except OSError:
        print("try: report it with what EDGE_SDK_DEBUG=1 shows", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
