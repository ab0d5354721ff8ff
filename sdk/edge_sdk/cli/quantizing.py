"""`edge-sdk convert --quantize` and `--weights`: options, progress on stderr, report."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from edge_sdk.cli.terminal import logging_to, stderr_console
from edge_sdk.compiler.quantize.calibrate import CALIBRATIONS
from edge_sdk.compiler.quantize.rewrite import BORDERS
from edge_sdk.compiler.quantize.weights_only import WEIGHTS
from edge_sdk.errors import UsageError
from edge_sdk.quantization import (
    Order,
    Progress,
    Quantized,
    Shrunk,
    WeightsOrder,
    quantize,
    shrink_weights,
)

AUTO, NONE = "auto", "none"
_DEFAULTS = {"calibration": "mse", "keep_float": None, "io": "float32"}
#: Without a terminal a line is written at every tenth part of the work.
_TENTHS = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of quantisation."""
    group = parser.add_argument_group("quantisation")
    group.add_argument(
        "--quantize", metavar="CAPTURE.npz", type=Path, help="make a float model int8, with samples of its inputs"
    )
    group.add_argument(
        "--calibration", choices=sorted(CALIBRATIONS), help="how ranges are chosen from the samples (default: mse)"
    )
    group.add_argument(
        "--keep-float",
        metavar="NODE",
        action="append",
        help="a node that stays in float, by name or number, several times or 3,4,5; "
        "'none'; 'auto': what rounding would cost too much (default)",
    )
    group.add_argument(
        "--weights",
        choices=sorted(WEIGHTS),
        help="make only the weights narrower: int8 (dynamic range) or float16; needs no samples",
    )
    group.add_argument(
        "--evaluate", metavar="CAPTURE.npz", type=Path, help="with --weights: compare both models on these samples"
    )
    group.add_argument("--io", choices=BORDERS, help="dtype of the model's inputs and outputs (default: float32)")


def check(args: argparse.Namespace) -> None:
    """Raise UsageError where options of quantisation do not go together."""
    if args.quantize is not None and args.weights is not None:
        raise UsageError(
            "--quantize makes weights and activations int8, --weights weights alone: give one of them",
            hint="edge-sdk convert --help",
        )
    if args.evaluate is not None and args.weights is None:
        raise UsageError(
            "--evaluate: only with --weights; --quantize compares by itself", hint="edge-sdk convert --help"
        )
    given = [f"--{name.replace('_', '-')}" for name in _DEFAULTS if getattr(args, name) is not None]
    if given and args.quantize is None:
        raise UsageError(f"{', '.join(given)}: only with --quantize", hint="edge-sdk convert --help")


def quantized(args: argparse.Namespace, data: bytes, name: str) -> Quantized | Shrunk | None:
    """Quantise as the command line says, if it does. Raises as `quantize` and `shrink_weights` do."""
    if args.weights is not None:
        return shrink_weights(data, name, WeightsOrder(args.weights, args.evaluate))
    if args.quantize is None:
        return None
    order = Order(
        capture=args.quantize,
        calibration=args.calibration or "mse",
        keep_float=_kept(args.keep_float or [AUTO]),
        io=args.io or "float32",
    )
    console = stderr_console()
    with logging_to(console), _progress(console) as progress:
        return quantize(data, name, order, progress)


def _kept(words: list[str]) -> tuple[str, ...] | None:
    if words == [AUTO]:
        return None
    if words == [NONE]:
        return ()
    for word in (AUTO, NONE):
        if word in words:
            raise UsageError(f"--keep-float {word} goes with no other --keep-float")
    return tuple(part for word in words for part in _parts(word))


def _parts(word: str) -> list[str]:
    """Return the numbers of a list; a name stays whole, whatever is in it."""
    parts = [part.strip() for part in word.split(",")]
    return parts if all(part.isdecimal() for part in parts) else [word]


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Bars(*columns, console=console, transient=True) as bars:
        tasks = {}

        def show(doing: str, done: int, total: int) -> None:
            if doing not in tasks:
                tasks[doing] = bars.add_task(doing)
            bars.update(tasks[doing], completed=done, total=total)

        yield show


def _lines(console: Console) -> Progress:
    """Return a progress of plain lines, one for every tenth part."""
    said: dict[str, int] = {}

    def show(doing: str, done: int, total: int) -> None:
        tenth = _TENTHS * done // total
        if said.get(doing) != tenth:
            said[doing] = tenth
            console.print(Text(f"{doing}: {done} of {total}"), soft_wrap=True)

    return show
