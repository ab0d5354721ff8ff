"""Cases of the family `dynamic`; see kernel_cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.contract import kernel_oracle_dynamic as oracle
from tests.contract.kernel_case import NUMBERS_F32, Array, Case, Rng, floats, int8s

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
        if kernel == "dynamic_round_s8":
            yield Case(kernel, f"{batch}x{count}", a, oracle.dynamic_round_s8(a, f), f)
            continue
        pixels, channels = (1, 3, 10)[index % 3], (1, 8, 17)[index % 3]
        f |= {"pixels": pixels, "channels": channels, **NUMBERS_F32}
        a |= {"input": floats(rng, batch, pixels, channels) * np.float32(900), "factors": floats(rng, channels)}
        if index % 4:
            a["bias"] = floats(rng, channels)
        yield Case(kernel, f"{batch}x{pixels}x{channels}", a, oracle.dynamic_scale_f32(a, f), f, 1e-6, ("input",))


def hybrids(rng: Rng, kernel: str) -> Iterator[Case]:
    """Every second case is a step in the middle of a sequence of samples."""
    for index, depth in enumerate((1, 7, 8, 9, 16, 33, 100, 4097)):
        batch, units, recurrent = 1 + index % 3, (1, 5, 20)[index % 3], (0, 4, 17)[index % 3]
        f: dict[str, Any] = {"batch": batch, "input_c": depth, "recurrent_c": recurrent, "units": units}
        f |= {"input_at": 2 * (index % 2), "input_stride": 1 + 2 * (index % 2), "output_stride": units}
        f |= {"symmetric": index // 2 % 2, **NUMBERS_F32}
        samples = f["input_at"] + (batch - 1) * f["input_stride"] + 1
        a = _rounded(rng, samples, depth, f) | {
            "input_weights": int8s(rng, units, depth),
            "factors": floats(rng, units) * np.float32(0.01),
        }
        if recurrent:
            again = _rounded(rng, batch, recurrent, f)
            a |= {"recurrent": again["input"], "recurrent_ranges": again["ranges"]}
            a |= {"recurrent_weights": int8s(rng, units, recurrent), "recurrent_factors": floats(rng, units)}
        if index % 3:
            a["bias"] = floats(rng, units)
        label = f"{batch}x{depth}+{recurrent}->{units}"
        yield Case(kernel, label, a, oracle.hybrid_f32(a, f).astype(np.float32), f, 1e-6)


def _rounded(rng: Rng, batch: int, count: int, f: dict[str, Any]) -> dict[str, Array]:
    """Floats as the kernels before make them."""
    a = {"input": floats(rng, batch, count)}
    a["ranges"] = oracle.dynamic_range_f32(a, {"count": count})
    return {"input": oracle.dynamic_round_s8(a, f), "ranges": a["ranges"]}
