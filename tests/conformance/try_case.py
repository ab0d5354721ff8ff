"""Try one row of CASES, or all: random models on both engines against the reference kernels.

    python -m tests.conformance.try_case conv2d --dtype int8 --count 200 --seed 7
    python -m tests.conformance.try_case --count 20 --keep build/wrong        # every row; wrong models are kept

Exit code 1 when anything is wrong; each line names case, dtype and seed, which make the model again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.conformance.cases import CASES
from tests.conformance.engines import compiling_here
from tests.conformance.generated_suite import Trial, try_model
from tests.real.oracle import Oracle

#: Models of a row that are spoken of.
MOST_TOLD = 5


def try_row(oracle: Oracle, case: str, dtype: str, seeds: range, keep: Path | None) -> int:
    """Try the models of one row, say what is wrong, and return how many are."""
    wrong = 0
    for seed in seeds:
        generated, found = try_model(oracle, Trial(case, dtype, seed))
        wrong += bool(found)
        if found and wrong <= MOST_TOLD:
            print(*(f"  seed {seed}: {who}: {line}" for who, words in found.items() for line in words), sep="\n")
        if found and keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{case}-{dtype}-{seed}.tflite".replace(" ", "_")).write_bytes(generated.data)
    print(f"{case:<28} {dtype:<16} {len(seeds)} models, {wrong} wrong", flush=True)
    return wrong


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
    seeds = range(args.seed, args.seed + args.count)
    with Oracle() as oracle, compiling_here():
        bad = [
            try_row(oracle, case, dtype, seeds, args.keep)
            for case in args.cases or CASES
            for dtype in CASES[case].dtypes
            if dtype in (args.dtype or [dtype])
        ]
    return 1 if any(bad) else 0


if __name__ == "__main__":
    sys.exit(main())
