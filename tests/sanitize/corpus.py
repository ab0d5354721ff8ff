"""Makes the corpus of fuzz_corpus.c: descriptors, with the memory they lie in, of random uses of every operator.

    python -m tests.sanitize.corpus build/sanitize/corpus.bin --seed 1

Every row of the conformance cases is converted for each of its dtypes; of each kernel as many entries are kept as
differ in their numbers, up to ENTRIES.
"""

from __future__ import annotations

import argparse
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edge_sdk import abi
from edge_sdk.compiler.codegen.layout import Layout, lay_out
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.passes import run_passes
from edge_sdk.compiler.passes.lower import lower
from edge_sdk.compiler.passes.memory_plan import plan_memory
from edge_sdk.errors import ModelError
from tests.conformance.cases import CASES
from tests.conformance.models import single_op_model

#: Of each kernel.
ENTRIES = 48
SEEDS = 12
MAX_MEMORY_BYTES = 32 * abi.WASM_PAGE_BYTES


def laid_out(case: str, dtype: str, seed: int) -> Layout | None:
    """Convert one random use of an operator, as far as memory is laid out; None if it does not convert."""
    try:
        graph = import_model(single_op_model(case, dtype, seed).data, case)
        run_passes(graph)
        calls = lower(graph)
        return lay_out(graph, calls, plan_memory(graph, calls))
    except ModelError:
        return None  # whether a use converts is the conformance suite's question


def layouts(seed: int) -> Iterator[Layout]:
    """Convert random uses of every operator."""
    for case, row in CASES.items():
        for dtype in row.dtypes:
            for number in range(SEEDS):
                layout = laid_out(case, dtype, seed * SEEDS + number)
                if layout is not None and layout.memory_bytes <= MAX_MEMORY_BYTES:
                    yield layout


def write_corpus(path: Path, seed: int) -> Counter[str]:
    """Write the file; return how many entries each kernel has."""
    counts: Counter[str] = Counter()
    with path.open("wb") as file:
        for layout in layouts(seed):
            image = bytes(layout.image)
            for placed in layout.calls:
                if counts[placed.kernel.name] < ENTRIES:
                    counts[placed.kernel.name] += 1
                    head = (placed.kernel.number, placed.descriptors[0], layout.regions["states"][0])
                    file.write(struct.pack("<5I", *head, layout.memory_bytes, len(image)))
                    file.write(image + bytes(-len(image) % 4))
    return counts


def main() -> None:
    """Write the corpus named on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    counts = write_corpus(args.path, args.seed)
    print(f"{sum(counts.values())} descriptors of {len(counts)} kernels")


if __name__ == "__main__":
    main()
