"""The whole of the conformance: real models, generated models, the engines against each other, integer code.

    python -m tests.conformance.campaign --seed 7 --cases 5000 --inputs 200 --page docs/conformance.md
    python -m tests.conformance.campaign --only generated --cases 20000
    python -m tests.conformance.campaign --add --page docs/conformance.md       # an operator has been added

Two processes share the work, each with an oracle of its own. The table goes to stdout; the exit code is 1 when anything
is wrong, and the page says so too. What is wrong names case, dtype and seed, or model and call, which make it again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import pickle
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_sdk import abi
from edge_sdk.errors import ModelError
from edge_sdk.runtime.engine import sandbox_spec
from edge_sdk.runtime.provider import native_status
from edge_sdk.runtime.sandbox import kernels_for
from tests.conformance import floats_suite, generated_suite, layers_suite, real_suite
from tests.conformance.engines import compiling_here
from tests.conformance.page import FloatsTally, Result, render, summary
from tests.real.oracle import Oracle
from tests.support import SHARED

SUITES = ("real", "layers", "generated", "floats")
#: Generated models tried in one piece.
CHUNK = 200
PROCESSES = 2
#: Uses of each row that show whether an operator computes with floats.
FLOAT_USES = 10

_open = ExitStack()


@cache
def _oracle() -> Oracle:
    """Return this process's oracle."""
    _open.enter_context(compiling_here())
    return _open.enter_context(Oracle())


def _generated(trials: list[generated_suite.Trial]) -> Any:
    return generated_suite.try_all(_oracle(), trials)


def _real(name: str, count: int, seed: int) -> real_suite.ModelTally:
    path, given = real_suite.real_models(SHARED / "models")[name]
    return real_suite.try_real_model(_oracle(), name, path, given, count, seed)


def _layers(name: str, seed: int) -> layers_suite.LayersTally:
    _oracle()
    path, _ = real_suite.real_models(SHARED / "models")[name]
    try:
        return layers_suite.try_layers(name, path.read_bytes(), seed)
    except ModelError:  # the suite of real models says that it is refused
        return layers_suite.LayersTally(name)


def _floats(name: str, seed: int) -> FloatsTally:
    _oracle()
    if not name:
        return FloatsTally(*floats_suite.try_generated(seed, FLOAT_USES))
    path, _ = real_suite.real_models(SHARED / "models")[name]
    try:
        return FloatsTally(*floats_suite.try_nodes(path.read_bytes(), seed))
    except ModelError:
        return FloatsTally()


def plan(args: argparse.Namespace, result: Result) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield (suite, piece of work) for what the result lacks, the longest first."""
    models = real_suite.real_models(SHARED / "models") if (SHARED / "models").exists() else {}
    done = {model.model for model in result.models}
    for name in sorted(models.keys() - done, key=lambda name: -models[name][0].stat().st_size):
        yield "real", partial(_real, name, args.inputs, args.seed)
        yield "layers", partial(_layers, name, args.seed)
        yield "floats", partial(_floats, name, args.seed)
    trials = generated_suite.plan_trials(args.seed, args.cases, result.rows)
    for at in range(0, len(trials), CHUNK):
        yield "generated", partial(_generated, trials[at : at + CHUNK])
    yield "floats", partial(_floats, "", args.seed)


def add(result: Result, suite: str, found: Any) -> None:
    """Put what a piece of work found into the result."""
    if suite == "generated":
        for key, tally in found.items():
            result.generated.setdefault(key, generated_suite.Tally(*key)).add(tally)
    elif suite == "floats":
        result.floats.tried |= found.tried
        result.floats.found |= found.found
    else:
        result.models.append(found) if suite == "real" else result.layers.append(found)


def versions() -> dict[str, str]:
    """Return what the results hold for."""
    host = native_status()
    return {
        "edge-sdk": version("edge-sdk"),
        "ABI": str(abi.ABI_VERSION),
        "LiteRT": version("ai-edge-litert"),
        "Wasmtime": version("wasmtime"),
        "numpy": version("numpy"),
        "Python": platform.python_version(),
        "machine": platform.machine(),
        "host kernels": abi.ISAS[host.library.isa] if host.library else f"none: {host.reason}",
        "sandbox kernels": kernels_for(sandbox_spec(1 << 20)).isa,
    }


def begin(args: argparse.Namespace) -> Result:
    """Return an empty result, or with --add the last one without what was wrong in it."""
    if not args.add:
        date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
        return Result(seed=args.seed, inputs=args.inputs, date=date, versions=versions())
    result: Result = pickle.loads(args.last.read_bytes())
    args.seed, args.inputs = result.seed, result.inputs
    result.models = [model for model in result.models if not model.refused and not model.words]
    result.layers = [layers for layers in result.layers if layers.model in {model.model for model in result.models}]
    result.generated = {key: tally for key, tally in result.generated.items() if not tally.words}
    if result.floats.wrong:
        result.floats = FloatsTally()
    return result


def run_campaign(args: argparse.Namespace) -> Result:
    """Do all pieces of work in two processes."""
    result = begin(args)
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        work = [piece for piece in plan(args, result) if piece[0] in args.only]
        waiting: dict[Future[Any], str] = {pool.submit(call): suite for suite, call in work}
        for done, future in enumerate(as_completed(waiting), 1):
            add(result, waiting[future], future.result())
            print(f"\r{done} of {len(work)} pieces, {time.monotonic() - started:.0f} s", end="", file=sys.stderr)
    print(file=sys.stderr)
    result.seconds += time.monotonic() - started
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare edge-sdk with the reference kernels of LiteRT.")
    parser.add_argument("--seed", type=int, default=1, help="of models and inputs (default: 1)")
    parser.add_argument("--cases", type=int, default=5000, help="generated models, at least (default: 5000)")
    parser.add_argument("--inputs", type=int, default=200, help="inputs of each real model (default: 200)")
    parser.add_argument("--only", choices=SUITES, action="append", help="only this suite; may be repeated")
    parser.add_argument(
        "--add", action="store_true", help="only what the last run had not, or had wrong; keeps the rest"
    )
    parser.add_argument("--last", type=Path, default=Path("build/conformance.pickle"), help="where results are kept")
    parser.add_argument("--page", type=Path, help="write the page here, if no suite is left out")
    args = parser.parse_args()
    if args.page and args.only:
        print(f"{args.page} stays as it is: --only leaves suites out", file=sys.stderr)
        args.page = None
    if args.page and not (SHARED / "models").exists():
        parser.error(f"--page needs the real models, and {SHARED / 'models'} is absent")
    if args.add and not args.last.exists():
        parser.error(f"--add needs a run before it: {args.last} is absent")
    partly, args.only = bool(args.only), args.only or SUITES
    result = run_campaign(args)
    if not partly:
        args.last.parent.mkdir(parents=True, exist_ok=True)
        args.last.write_bytes(pickle.dumps(result))
    if args.page:
        args.page.write_text(render(result))
    print(summary(result))
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
