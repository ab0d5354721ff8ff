"""Try one row of CASES, or all: random models on both engines against the reference kernels.

    python -m tests.conformance.try_case conv2d --dtype int8 --count 200 --seed 7
    python -m tests.conformance.try_case --count 20 --keep build/wrong        # every row; wrong models are kept

Exit code 1 when anything is wrong; each line names case, dtype and seed, which make the model again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from edge_sdk.compiler.convert import convert
from edge_sdk.errors import EdgeError
from tests.conformance.cases import CASES
from tests.conformance.engines import ENGINES, compiling_here, run
from tests.conformance.judge import judge
from tests.conformance.models import Generated, single_op_model
from tests.real.oracle import Oracle, OracleError


def try_one(oracle: Oracle, generated: Generated, seed: int) -> list[str]:
    """Return what is wrong with one model, on each engine."""
    calls = generated.draw(seed)
    try:
        module = convert(generated.data, name="case").module
        answers = {engine: run(module, engine, calls) for engine in ENGINES}
        return [
            f"{engine}: {words}" for engine, ours in answers.items() for words in judge(oracle, generated, calls, ours)
        ]
    except (EdgeError, OracleError) as error:
        return [f"{type(error).__name__}: {error}"]


def try_row(oracle: Oracle, case: str, dtype: str, seeds: range) -> Iterator[tuple[int, Generated, list[str]]]:
    """Yield (seed, model, what is wrong) of each use."""
    for seed in seeds:
        generated = single_op_model(case, dtype, seed)
        yield seed, generated, try_one(oracle, generated, seed)


def main() -> int:
    parser = argparse.ArgumentParser(description="Random uses of an operator against the reference kernels.")
    parser.add_argument("cases", nargs="*", help="rows of CASES (default: all)")
    parser.add_argument("--dtype", action="append", help="only this one of the row's dtypes; may be repeated")
    parser.add_argument("--count", type=int, default=50, help="models per row and dtype (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the first model; the others follow (default: 0)")
    parser.add_argument("--keep", type=Path, help="folder for the models that are wrong")
    args = parser.parse_args()
    unknown = [case for case in args.cases if case not in CASES]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    bad = 0
    with Oracle() as oracle, compiling_here():
        for case in args.cases or CASES:
            for dtype in [dtype for dtype in CASES[case].dtypes if dtype in (args.dtype or [dtype])]:
                wrong = 0
                for seed, generated, found in try_row(oracle, case, dtype, range(args.seed, args.seed + args.count)):
                    wrong += bool(found)
                    for words in found[: 0 if wrong > 5 else None]:
                        print(f"  {case} {dtype} seed {seed}: {words}")
                    if found and args.keep:
                        args.keep.mkdir(parents=True, exist_ok=True)
                        (args.keep / f"{case}-{dtype}-{seed}.tflite".replace(" ", "_")).write_bytes(generated.data)
                print(f"{case:<28} {dtype:<16} {args.count} models, {wrong} wrong", flush=True)
                bad += wrong
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
