"""Cases of the normalising kernels; see kernel_cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edge_sdk.compiler.ops.softmax import table_of_exponentials, table_of_reciprocals
from tests.contract import kernel_oracle_normalization as oracle
from tests.contract.kernel_case import Array, Case, Rng, floats, int8s

#: Of the output, that fixed point and tables may be off.
STEPS = {"softmax_s8_s16": 16, "softmax_s16": 256, "log_softmax_s8": 1, "l2_normalization_s8": 1}


def _numbers(rng: Rng, kernel: str, scale: float) -> dict[str, Any]:
    mantissa, exponent = np.frexp(scale * (6553.5 if kernel == "softmax_s16" else 2.0**26))
    fixed = {"multiplier": round(float(mantissa) * 2**31), "shift": int(exponent)}
    least = {"diff_min": -int(np.floor(31 * 2.0 ** (26 - int(exponent))))}
    reverse = 2.0 ** (31 - int(exponent)) / fixed["multiplier"]
    mantissa, exponent = np.frexp(reverse)
    reverses = {"reverse_multiplier": round(float(mantissa) * 2**31), "reverse_shift": int(exponent)}
    return {
        "softmax_s8_s16": fixed | least,
        "softmax_s16": fixed,
        "log_softmax_s8": fixed | least | reverses,
        "l2_normalization_s8": {"zero_point": int(rng.integers(-128, 128)), "shift": int(rng.choice([0, 7]))},
        "local_response_normalization_f32": {
            "radius": int(rng.integers(0, 5)),
            "bias": 1.0,
            "alpha": 0.5,
            "beta": 0.75,
        },
    }.get(kernel, {})


def normalizations(rng: Rng, kernel: str) -> Iterator[Case]:
    for rows, depth in ((1, 1), (3, 2), (3, 12), (2, 100), (4, 257)):
        for scale in (0.005, 0.08):
            f: dict[str, Any] = {"rows": rows, "depth": depth, **_numbers(rng, kernel, scale)}
            a: dict[str, Array] = {
                "input": floats(rng, rows, depth) if kernel.endswith("f32") else int8s(rng, rows, depth)
            }
            if kernel == "softmax_s16":
                a["input"] = rng.integers(-9999, 9999, (rows, depth)).astype(np.int16)
                f |= _numbers(rng, kernel, scale / 100)
                a |= {"exponentials": table_of_exponentials(), "reciprocals": table_of_reciprocals()}
            expected = getattr(oracle, kernel)(a, f)
            stored = {"16": np.int16, "s8": np.int8}.get(kernel[-2:])
            expected = expected if stored is None else expected.astype(stored)
            most = (
                1e-6 if stored is None else STEPS[kernel] / max(1.0, float(np.abs(expected.astype(np.float64)).max()))
            )
            places = ("input",) if expected.itemsize == a["input"].itemsize or stored is None else ()
            places = () if kernel.startswith("local") else places
            yield Case(kernel, f"{rows}x{depth} {scale}", a, expected, f, most, places)
