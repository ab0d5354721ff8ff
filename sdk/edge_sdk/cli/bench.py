"""`edge-sdk bench`: how long an inference takes on each engine, in turns; or what the steps of a pipeline cost."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_sdk.cli.write_file import write_file
from edge_sdk.errors import UsageError, VerificationError

if TYPE_CHECKING:
    from edge_sdk.bench.model import EngineResult, Report
    from edge_sdk.bench.power import Power

_CLOCK_NAMES = {"cpu": "CPU time", "wall": "wall time"}
_EXAMPLE = """examples:
  edge-sdk bench kws.tflite
  edge-sdk bench kws.tflite --engine host,sandbox --seconds 10 --json > kws.json
  edge-sdk bench kws.tflite --save                   # engine "auto" takes what is fastest here
  edge-sdk bench kws.tflite --layers --html report.html
  edge-sdk bench pipeline.toml

Times are CPU time of the computing thread, in their own process for other runtimes (litert, tflite_runtime); wall time
with several threads. A sample averages enough calls to last 0.2 ms.
exit code: 8 when integer outputs of two engines differ"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EXAMPLE
    parser.add_argument("model", type=Path, metavar="MODEL|PIPELINE", help="a .tflite, .wasm or .toml file")
    parser.add_argument(
        "--engine", metavar="E[,E]", help="engines in turn (default: host, sandbox, and other runtimes that are here)"
    )
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="for all engines together (default: 5)")
    parser.add_argument(
        "--input", type=Path, action="append", metavar="X.npy", help="once for each input (default: random)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="most threads to compute with (default: 1)")
    parser.add_argument("--layers", action="store_true", help="time every kernel call of our own engines too")
    parser.add_argument("--power", action="store_true", help="measure joules too, where the machine has a meter")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report page to FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--save",
        action="store_true",
        help="compare what we have here; 'auto' takes the fastest from now on",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print the table or the object, and refuse engines that disagree."""
    from edge_sdk.bench.choose import candidates, choose
    from edge_sdk.bench.model import (  # numpy and the runtime only when they are needed
        bench_model,
        is_own,
        usual_engines,
    )
    from edge_sdk.bench.page import page
    from edge_sdk.runtime.choice import remember
    from edge_sdk.sensors.array_file import read_npy

    if not 0 < args.seconds <= 3600:
        raise UsageError(f"--seconds: expected more than 0 and at most 3600, got {args.seconds:g}")
    asked = _engines(args.engine)
    if args.model.suffix.lower() == ".toml":
        return _run_pipeline(args, asked)
    if args.save and asked:
        raise UsageError("--save compares all engines of ours", hint="leave --engine out")
    inputs = [read_npy(path) for path in args.input] if args.input else None
    print(f"measuring {args.model} for {args.seconds:g} s", file=sys.stderr)
    report = bench_model(
        args.model,
        asked or (candidates() if args.save else usual_engines(args.model)),
        args.seconds,
        threads=args.threads,
        layers=args.layers,
        power=args.power,
        inputs=inputs,
        all_or_nothing=bool(asked),
    )
    text = json.dumps(report.as_dict(), indent=2)
    print(text if args.json else "\n".join(table(report)))
    if args.html is not None:
        write_file(args.html, page(report).encode())
    if report.outputs.integers_differ:
        names = " and ".join(one.engine for one in report.engines if is_own(one.engine))
        raise VerificationError(
            f"{args.model}: {names} give different integers, by up to {report.outputs.largest_difference:g}",
            hint="edge-sdk doctor; then report it with the model and what --json prints",
        )
    if args.save:
        choice = choose(report)
        print(f"auto takes {choice.engine} ({choice.isa}): {choice.reason}", file=sys.stderr)
        remember(report.module_sha256, choice)
    return 0


def _run_pipeline(args: argparse.Namespace, asked: tuple[str, ...]) -> int:
    from edge_sdk.bench.pipeline import bench_pipeline, lines, unknown_options

    if len(asked) > 1:
        raise UsageError("--engine: a pipeline takes one, for all its models")
    names = ("layers", "power", "save", "html", "input")
    unknown_options({f"--{name}": bool(getattr(args, name)) for name in names} | {"--threads": args.threads != 1})
    print(f"measuring {args.model} for {args.seconds:g} s", file=sys.stderr)
    report = bench_pipeline(args.model, args.seconds, engine=asked[0] if asked else None)
    print(json.dumps(report.as_dict(), indent=2) if args.json else "\n".join(lines(report)))
    return 0


def table(report: Report) -> list[str]:
    """Return the lines for people."""
    lines = [f"{'engine':<28}{'median':>12}{'p90':>12}{'p99':>12}{'ratio':>9}{'load':>12}{'memory':>12}"]
    for one in report.engines:
        memory = "unknown" if one.model_memory_mib is None else f"{one.model_memory_mib:.1f} MiB"
        name = f"{one.engine} ({one.isa})"
        times = "".join(f"{us:>9.2f} µs" for us in (one.median_us, one.p90_us, one.p99_us))
        lines.append(f"{name:<28}{times}{one.ratio:>8.2f}x{one.load_ms:>9.1f} ms{memory:>12}")
    lines += [f"{name}: skipped: {why}" for name, why in report.skipped.items()]
    if len(report.engines) > 1:
        same = "identical" if report.outputs.identical else f"different by up to {report.outputs.largest_difference:g}"
        lines.append(f"outputs: {same}; ratio: {_CLOCK_NAMES[report.clock]} relative to {report.ratio_base}")
    lines += power_lines(report.power)
    for one in report.engines:
        lines += layer_table(one)
    return lines


def power_lines(power: Power | None) -> list[str]:
    """Return the lines about energy; none where it was not asked."""
    if power is None:
        return []
    if power.meter is None:
        return [f"energy: unknown, this machine has no meter ({power.reason})"]
    lines = [f"energy: {power.meter}; {power.idle_watts:.2f} W idle"]
    lines += [
        f"{engine:<28}{_millijoules(power.joules[engine])} a run, {_millijoules(power.above_idle[engine])} above idle"
        for engine in power.joules
    ]
    return lines


def _millijoules(joules: float | None) -> str:
    return "unknown" if joules is None else f"{joules * 1000:.4g} mJ"


def layer_table(one: EngineResult) -> list[str]:
    """Return the lines that say where an engine's time goes; none where it was not asked."""
    if not one.layers:
        return []
    best = ", ".join(f"{rate:g} ({ending})" for ending, rate in one.best_gmacs.items())
    lines = ["", f"{one.engine}: layers, as measured one by one; these kernels reach {best} GMAC/s at best"]
    lines.append(f"{'op':<22}{'kernel':<24}{'time':>11}{'share':>8}{'MACs':>13}{'GMAC/s':>9}{'of best':>9}")
    for layer in one.layers:
        rate = "" if layer.gmacs is None else f"{layer.gmacs:.1f}"
        of_best = "" if layer.of_best is None else f"{layer.of_best:.0%}"
        macs = f"{layer.macs:,}" if layer.macs else ""
        head = f"{layer.op:<22}{layer.kernel:<24}{layer.median_us:>8.2f} µs{layer.share:>8.1%}"
        lines.append(f"{head}{macs:>13}{rate:>9}{of_best:>9}")
    return lines


def _engines(text: str | None) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in (text or "").split(","))))
    if text is not None and not names:
        raise UsageError(f"--engine: expected names such as host,sandbox, got {text!r}")
    return names
