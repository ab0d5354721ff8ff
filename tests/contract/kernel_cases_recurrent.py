"""Cases of the kernels with memory; see kernel_cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.contract import kernel_oracle_recurrent as oracle
from tests.contract.kernel_case import NUMBERS_F32, Case, Rng, floats, int8s, numbers_s8


def svdfs(rng: Rng, kernel: str) -> Iterator[Case]:
    is_float = kernel.endswith("f32")
    for index, depth in enumerate((1, 7, 8, 9, 16, 33, 64, 100)):
        batch, units, rank = 1 + index % 3, (1, 5, 20)[index % 3], 1 + index % 2
        memory = (1, 2, 8, 10, 17)[index % 5]
        f: dict[str, Any] = {"batch": batch, "input_c": depth, "units": units, "rank": rank, "memory": memory}
        make = floats if is_float else int8s
        a = {"input": make(rng, batch, depth), "filter": make(rng, units * rank, depth)}
        for name, shape in (("time", (units * rank, memory)), ("state", (batch, units * rank, memory))):
            a[name] = floats(rng, *shape) if is_float else rng.integers(-3000, 3000, shape).astype(np.int16)
        if index % 3:
            a["bias"] = floats(rng, units) if is_float else rng.integers(-(10**6), 10**6, units).astype(np.int32)
        if is_float:
            f |= NUMBERS_F32
        else:
            f |= numbers_s8(rng) | {"multiplier": 2**30, "shift": (0, 3, -2)[index % 3]}
            f |= {"output_multiplier": int(rng.integers(2**30, 2**31)), "output_shift": (-18, -12, -31, 0)[index % 4]}
        expected = getattr(oracle, kernel)(a, f)
        label = f"{batch}x{depth}->{units}x{rank} over {memory}"
        yield Case(kernel, label, a, expected, f, 1e-6 if is_float else 0.0, written=("state",))
