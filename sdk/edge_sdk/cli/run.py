"""`edge-sdk run`: a pipeline until something ends it, or a model on one input.

What takes long to import is imported where it is used: SIGTERM is caught before that, so that a service which is
stopped in its first moments ends cleanly too.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from edge_sdk.cli.main import INTERRUPTED
from edge_sdk.cli.write_file import write_file
from edge_sdk.engines import DELEGATES, ENGINES
from edge_sdk.errors import TransferError, UsageError, about_file
from edge_sdk.units import printable, seconds, utf8

if TYPE_CHECKING:
    from edge_sdk.pipeline import Pipeline
    from edge_sdk.reading import Result

_EXAMPLE = """examples:
  edge-sdk run pipeline.toml
  edge-sdk run pipeline.toml --duration 60 --json > results.ndjson
  edge-sdk run pipeline.toml --check
  edge-sdk run pipeline.toml --host press-7 --watch
  edge-sdk run model.tflite --input x.npy --output y.npy --engine sandbox
  edge-sdk run model.tflite --input x.npy --output y.npy --engine litert --delegate libedgetpu.so.1"""

#: Named, not imported: what flashes devices stands beside this package, not below it.
_THERE = "firmware_tools.cli.watch"


class _Terminated(BaseException):
    """SIGTERM came while the pipeline was not running: while it was built, or after it ended."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options of both uses."""
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "target", metavar="PIPELINE.toml|MODEL", type=Path, help="a pipeline, or a .tflite or .wasm model"
    )
    parser.add_argument("--engine", choices=ENGINES, help="who computes; overrides the pipeline file")
    parser.add_argument("--json", action="store_true", help="results on stdout, one JSON object per line")
    line = parser.add_argument_group("a pipeline")
    line.add_argument("--duration", metavar="S", type=_positive(float), help="stop after so many seconds")
    line.add_argument("--max-results", metavar="N", type=_positive(int), help="stop after so many results")
    line.add_argument(
        "--check",
        action="store_true",
        default=None,
        help="look for mistakes and open nothing; variables that are not set here are left to the device",
    )
    there = parser.add_argument_group("a pipeline, on a device")
    there.add_argument("--host", metavar="H", help="run it there, on trial: a configured name, or USER@ADDRESS for ssh")
    there.add_argument("--watch", action="store_true", default=None, help="run every saved change there at once")
    there.add_argument("--key", metavar="KEY.pem", type=Path, action="append", help="signs; default the project's")
    there.add_argument("--passphrase", metavar="'${env:NAME}'", help="of the key; only from the environment")
    model = parser.add_argument_group("a model")
    model.add_argument("--input", metavar="X.npy", type=Path, action="append", help="one for each input, in order")
    model.add_argument("--output", metavar="Y.npy", type=Path, action="append", help="one for each output, in order")
    model.add_argument(
        "--delegate", metavar="D", help=f"of another runtime: {', '.join(DELEGATES)}, or a vendor's library"
    )
    model.add_argument(
        "--delegate-option", metavar="NAME=VALUE", action="append", type=_assignment, help="for the vendor's library"
    )
    model.add_argument("--threads", metavar="N", type=_positive(int), help="threads of the inference")


def run(args: argparse.Namespace) -> int:
    """Run what the target's suffix says."""
    suffix = args.target.suffix.lower()
    if suffix == ".toml":
        _refuse(args, "a pipeline", "input", "output", "threads", "delegate", "delegate_option")
        if args.host is not None:
            return _terminable(_run_there, args)
        _refuse(args, "a pipeline that runs here; --host H says where", "watch", "key", "passphrase")
        return _check_pipeline(args) if args.check else _terminable(_run_pipeline, args)
    if suffix in (".tflite", ".wasm"):
        _refuse(args, "a model", "duration", "max_results", "check", "host", "watch", "key", "passphrase")
        return _run_model(args)
    raise UsageError(
        f"{args.target}: expected a pipeline (.toml) or a model (.tflite, .wasm)", hint="edge-sdk run --help"
    )


def _positive(kind: type[Any]) -> Any:
    def number(text: str) -> Any:
        value = kind(text)
        if not 0 < value < 1e9:
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
        return value

    number.__name__ = "number"
    return number


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _refuse(args: argparse.Namespace, what: str, *options: str) -> None:
    for option in options:
        if getattr(args, option) is not None:
            raise UsageError(f"--{option.replace('_', '-')} does not go with {what}", hint="edge-sdk run --help")


def _terminable(act: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Act; SIGTERM ends it cleanly at any moment. While the pipeline runs, the runner has its own way to stop."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, leave)
    try:
        return act(args)
    except _Terminated:
        print("stopped (SIGTERM)", file=sys.stderr)
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_pipeline(args: argparse.Namespace) -> int:
    import msgspec

    from edge_sdk.pipeline.check import check

    _refuse(args, "--check", "duration", "max_results")
    checked = check(args.target, engine=args.engine)
    print(f"{args.target}: no mistakes found", file=sys.stderr)
    if checked.variables:
        print(f"left to the device: {', '.join(checked.variables)}", file=sys.stderr)
    for complaint in checked.unchecked:
        print(f"left to the device: {printable(complaint)}", file=sys.stderr)
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(checked) + b"\n")
    return 0


def _run_there(args: argparse.Namespace) -> int:
    _refuse(args, "--host", "engine", "max_results", "check")
    code: int = import_module(_THERE).run(args)
    return code


def _run_pipeline(args: argparse.Namespace) -> int:
    from edge_sdk.cli.terminal import logging_to, stderr_console, view_for
    from edge_sdk.pipeline import Observer, Runner, build
    from edge_sdk.pipeline.watched import watchers
    from edge_sdk.publish.payload import encode

    class JsonLines(Observer):
        def result(self, result: Result) -> None:
            sys.stdout.buffer.write(encode(result) + b"\n")
            sys.stdout.buffer.flush()

    console = stderr_console()
    with logging_to(console), build(args.target, engine=args.engine) as pipeline:
        data_on_stdout = args.json or any(outlet.kind == "stdout" for outlet in pipeline.outlets)
        view = view_for(console, data_on_stdout=data_on_stdout)
        runner = Runner(pipeline, [view, *watchers(), *([JsonLines()] if args.json else [])])
        try:
            summary = runner.run(duration_s=args.duration, max_results=args.max_results, on_signals=True)
        finally:
            view.close()
    if summary.reason == "SIGINT":
        return INTERRUPTED
    return TransferError.exit_code if _undelivered(pipeline) else 0


def _undelivered(pipeline: Pipeline) -> int:
    """Return how many results did not arrive: lost, or kept for the next run; each sink has already said so."""
    counts = [outlet.sink.counts() for outlet in pipeline.outlets]
    return sum(count.get(name, 0) for count in counts for name in ("waiting", "dropped", "damaged"))


def _run_model(args: argparse.Namespace) -> int:
    import msgspec

    from edge_sdk import load
    from edge_sdk.sensors.array_file import npy_bytes, read_npy

    inputs = [read_npy(path) for path in args.input or ()]
    more: dict[str, Any] = {} if args.delegate is None else {"delegate": args.delegate}
    if args.delegate_option is not None:
        more["delegate_options"] = dict(args.delegate_option)
    with load(args.target, engine=args.engine or "auto", threads=args.threads or 1, **more) as model:
        outputs = args.output or []
        _count("--input", len(inputs), [spec.name for spec in model.inputs])
        if outputs:
            _count("--output", len(outputs), [spec.name for spec in model.outputs])
        began_s = time.perf_counter()
        with about_file(args.target):
            arrays = model.run(*inputs)
        spent_s = time.perf_counter() - began_s
        engine = str(model.engine)
    for path, array in zip(outputs, arrays, strict=False):
        write_file(path, npy_bytes(array))
    print(f"{args.target.name}: {engine}, {seconds(spent_s)}", file=sys.stderr)
    if args.json:
        found = [{"dtype": str(array.dtype), "shape": array.shape} for array in arrays]
        line = {"model": utf8(str(args.target)), "engine": engine, "latency_ms": 1000 * spent_s, "outputs": found}
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    return 0


def _count(option: str, given: int, names: list[str]) -> None:
    if given != len(names):
        raise UsageError(f"expected {option} {len(names)} times, for {', '.join(names)}; got {given}")
