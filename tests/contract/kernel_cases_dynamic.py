"""Cases of the family `dynamic`; see kernel_cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.contract import kernel_oracle_dynamic as oracle
from tests.contract.kernel_case import NUMBERS_F32, Case, Rng, floats

#: How far the values reach to each side of 0.
REACHES = ((1.0, 1.0), (0.0, 3.0), (5.0, 0.0), (0.1, 7.0), (0.0, 0.0))


def dynamic(rng: Rng, kernel: str) -> Iterator[Case]:
    for index, count in enumerate((1, 7, 16, 300, 4095, 4096, 4097, 9000)):
        batch = 1 + index % 3
        f: dict[str, Any] = {"batch": batch, "count": count}
        below, above = REACHES[index % len(REACHES)]
        x = rng.uniform(-below, above, (batch, count)).astype(np.float32)
        if count == 300:
            x = np.round(x * 127) / np.float32(2)  # ties
        a = {"input": x}
        if kernel == "dynamic_range_f32":
            yield Case(kernel, f"{batch}x{count}", a, oracle.dynamic_range_f32(a, f), f)
            continue
        a["ranges"] = oracle.dynamic_range_f32(a, f)
        f["symmetric"] = index % 2
        if kernel == "dynamic_round_f32":
            yield Case(kernel, f"{batch}x{count}", a, oracle.dynamic_round_f32(a, f), f, in_place=("input",))
            continue
        pixels, channels = (1, 3, 10)[index % 3], (1, 8, 17)[index % 3]
        f |= {"pixels": pixels, "channels": channels, **NUMBERS_F32}
        a |= {"input": floats(rng, batch, pixels, channels) * np.float32(900), "factors": floats(rng, channels)}
        if index % 4:
            a["bias"] = floats(rng, channels)
        yield Case(kernel, f"{batch}x{pixels}x{channels}", a, oracle.dynamic_scale_f32(a, f), f, 1e-6, ("input",))
