"""One side of regression.py: a model on one engine of whatever edge_sdk this interpreter has.

    PYTHON benchmarks/contestant.py MODEL ENGINE

Reads a number of calls from each line of standard input and answers with the nanoseconds of CPU that one of them took.
Needs nothing of edge_sdk but `load`, so that old revisions can stand here too.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

SEED, DRAWS = 20260101, 4


def drawn(specs: Any) -> list[np.ndarray]:
    """Return an input for each spec; seeded, so that both sides see the same numbers."""
    source = np.random.default_rng(SEED)
    inputs = [source.standard_normal((DRAWS, *spec.shape)) for spec in specs]
    whole = [np.dtype(spec.dtype).kind != "f" for spec in specs]
    return [
        (np.clip(array * 40, 0, 127) if integer else array).astype(spec.dtype)
        for array, integer, spec in zip(inputs, whole, specs, strict=True)
    ]


def main() -> None:
    import edge_sdk

    with edge_sdk.load(sys.argv[1], engine=sys.argv[2]) as model:
        draws = list(zip(*drawn(model.inputs), strict=True))
        for line in sys.stdin:
            calls = int(line)
            start = time.thread_time_ns()
            for turn in range(calls):
                model.run(*draws[turn % DRAWS])
            print((time.thread_time_ns() - start) / calls, flush=True)


if __name__ == "__main__":
    main()
