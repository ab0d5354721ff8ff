"""Convert damaged models until something other than an EdgeError comes out.

    python -m tests.fuzz.run --seed 7 --executions 200000

Each execution is a file of its own, made from a base and a number: mostly a generated model of one operator, sometimes
a real one of ../shared/models, seldom one with megabytes of weights. It is converted and not run. A process may take
3 GiB of addresses, an execution 10 s.

Findings go to --found as `<class>-<base>-<number>.tflite`. Those from generated models belong into tests/fuzz/corpus;
those from real models are others' files, so a line of tests/fuzz/corpus/recipes.txt keeps base and number instead.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from edge_sdk.compiler.convert import convert
from edge_sdk.errors import EdgeError
from tests.conformance.cases import CASES
from tests.conformance.models import single_op_model
from tests.fuzz.mutate import Base, mutated
from tests.support import SHARED

PROCESSES = 2
#: Executions of one piece of work.
CHUNK = 1000
ADDRESS_BYTES = 3 << 30
EXECUTION_S = 10.0
#: Bytes up to which a real model is taken often.
SMALL_BYTES = 128 << 10
#: One execution in so many is of a real model, and of a large one.
REAL, LARGE = 8, 1000
#: Generated models of each row of CASES.
USES = 4


class SlowError(BaseException):
    """An execution took too long; not an Exception, so that nothing takes it for damage."""


@cache
def bases() -> tuple[list[Base], list[Base], list[Base]]:
    """Return generated models, small and large real ones."""
    generated = [
        Base(f"{case} {dtype} {seed}", single_op_model(case, dtype, seed).data)
        for case, row in CASES.items()
        for dtype in row.dtypes
        for seed in range(USES)
    ]
    real = [real_base(path.name) for path in sorted((SHARED / "models").glob("*.tflite"))]
    small = [base for base in real if len(base.data) <= SMALL_BYTES]
    return generated, small, [base for base in real if len(base.data) > SMALL_BYTES]


@cache
def real_base(name: str) -> Base:
    """Return a model of ../shared/models."""
    return Base(name, (SHARED / "models" / name).read_bytes())


def execution(number: int) -> tuple[Base, bytes]:
    """Return base and damaged file of one execution."""
    generated, small, large = bases()
    pool = large if large and number % LARGE == 0 else small if small and number % REAL == 0 else generated
    base = random.Random(number).choice(pool)
    return base, mutated(base, number)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise SlowError when the block takes longer."""

    def late(*_: Any) -> None:
        raise SlowError(f"more than {seconds:g} s")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def outcome(data: bytes) -> tuple[str, str]:
    """Return (what came out, where it came from for what may not)."""
    try:
        with time_limit(EXECUTION_S), warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy's would reach the user's terminal
            convert(data, name="fuzz")
    except EdgeError as error:
        return type(error).__name__, ""
    except (Exception, SlowError) as error:  # whatever it is, it is what is looked for
        return f"FOUND {type(error).__name__}", traceback.format_exc(limit=-3)
    return "converted", ""


def run_chunk(first: int, count: int, found: Path) -> Counter[str]:
    """Do executions first .. first + count - 1; write down what may not be."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    tally: Counter[str] = Counter()
    for number in range(first, first + count):
        base, data = execution(number)
        word, trace = outcome(data)
        tally[word] += 1
        if trace:
            found.mkdir(parents=True, exist_ok=True)
            stem = f"{word.split()[-1]}-{base.name}-{number}".replace(" ", "_")
            (found / f"{stem}.tflite").write_bytes(data)
            (found / f"{stem}.txt").write_text(trace)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description="Convert damaged models.")
    parser.add_argument("--seed", type=int, default=1, help="executions of another seed are others (default: 1)")
    parser.add_argument("--executions", type=int, default=200_000)
    parser.add_argument("--found", type=Path, default=Path("build/fuzz"), help="folder for findings")
    args = parser.parse_args()
    started, tally = time.monotonic(), Counter[str]()
    first = args.seed * 1_000_000_000
    chunks = [(first + at, min(CHUNK, args.executions - at)) for at in range(0, args.executions, CHUNK)]
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(run_chunk, at, count, args.found) for at, count in chunks]
        for done, future in enumerate(as_completed(futures), 1):
            tally += future.result()
            print(f"\r{done} of {len(chunks)} pieces: {dict(tally)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    bad = sum(count for word, count in tally.items() if word.startswith("FOUND"))
    seconds = round(time.monotonic() - started)
    print(json.dumps({"seed": args.seed, "executions": tally.total(), "found": bad, "seconds": seconds, **tally}))
    if bad:
        print(f"see {args.found}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
