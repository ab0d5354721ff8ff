"""The cases of the kernels that treat each element alone, or pairs of elements; see kernel_cases.py."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.contract.kernel_case import Case, Rng

#: Elements around the vectors of the plain kernels.
COUNTS = (1, 7, 8, 15, 16, 17, 31, 33, 64, 255, 256, 300)


def lookups(rng: Rng, kernel: str) -> Iterator[Case]:
    dtype, bits = ("int8", 8) if kernel == "lookup_s8" else ("int16", 16)
    info = np.iinfo(dtype)
    table = rng.integers(info.min, info.max + 1, 1 << bits).astype(dtype)
    for count in (*COUNTS, 5000):
        x = rng.integers(info.min, info.max + 1, count).astype(dtype)
        expected = table[x.view(f"uint{bits}")]
        yield Case(kernel, f"{count}", {"input": x, "table": table}, expected, {"count": count}, 0.0, ("input",))
