"""Cases of the kernels with memory; see kernel_cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.contract import kernel_oracle_recurrent as oracle
from tests.contract.kernel_case import NUMBERS_F32, Array, Case, Rng, floats, int8s, numbers_s8


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
        if is_float and index % 4 == 3:  # without a filter
            f["input_c"] = units * rank
            a = {"input": floats(rng, batch, units * rank), "time": a["time"], "state": a["state"]}
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


def int16s(rng: Rng, *shape: int) -> Array:
    return rng.integers(-(2**15), 2**15, shape).astype(np.int16)


def gates(rng: Rng, kernel: str) -> Iterator[Case]:
    """Every second case is a step in the middle of a sequence; projections and single layers have no last result."""
    is_float = kernel.endswith("f32")
    make = floats if is_float else int8s
    for index, depth in enumerate((1, 7, 8, 9, 16, 33, 64, 100)):
        batch, units = 1 + index % 3, (1, 5, 20)[index % 3]
        recurrent = 0 if kernel == "project_s8" or index == 3 else (4, 17)[index % 2]
        f: dict[str, Any] = {"batch": batch, "input_c": depth, "recurrent_c": recurrent, "units": units}
        f |= {"input_at": 3 * (index % 2), "input_stride": depth + 5 * (index % 2), "output_stride": units}
        a = {
            "input": make(rng, f["input_at"] + batch * f["input_stride"]),
            "input_weights": make(rng, units, depth),
        }
        if recurrent:
            a |= {"recurrent": make(rng, batch, recurrent), "recurrent_weights": make(rng, units, recurrent)}
        if index % 3:
            a["bias"] = floats(rng, units) if is_float else rng.integers(-9999, 9999, units).astype(np.int32)
        if is_float:
            f |= NUMBERS_F32
        else:
            f |= {"multiplier": int(rng.integers(2**30, 2**31)), "shift": (-6, 1, -31, 0)[index % 4]}
        if kernel == "project_s8":
            numbers = numbers_s8(rng)
            f |= {name: numbers[name] for name in ("output_zero_point", "act_min", "act_max")}
        elif not is_float and recurrent:
            f |= {"recurrent_multiplier": 2**30, "recurrent_shift": (-3, 2)[index % 2]}
            a["recurrent_bias"] = rng.integers(-9999, 9999, units).astype(np.int32)
        expected = getattr(oracle, kernel)(a, f)
        yield Case(kernel, f"{batch}x{depth}+{recurrent}->{units}", a, expected, f, 1e-6 if is_float else 0.0)


def cells(rng: Rng, kernel: str) -> Iterator[Case]:
    is_float, is_rnn = kernel.endswith("f32"), kernel.startswith("rnn")
    make = floats if is_float else int16s
    for index, units in enumerate((1, 4, 7, 16, 33, 100)):
        batch, count = 1 + index % 3, 1 if is_rnn else 3 + index % 2
        f: dict[str, Any] = {"batch": batch, "units": units, "gate_count": count, "output_stride": units}
        f["activation"] = (4, 1, 2, 3)[index % 4] if is_float else 4
        a = {"gates": make(rng, batch, count, units)}
        if not is_rnn:
            a["cell"] = make(rng, batch, units)
            f["cell_clip"] = (0, 0.5)[index % 2] if is_float else (0, 20000)[index % 2]
            if index % 3:
                a["peephole"] = make(rng, count - 1, units)
        if is_float and not is_rnn and index > 2:
            a |= {"norm": floats(rng, count, units), "norm_bias": floats(rng, count, units)}
        if not is_float:
            f |= {"cell_shift": -9 - index, "hidden_multiplier": 2**30 + 12345, "hidden_shift": -22}
            f["hidden_zero_point"] = (-128, 3, 128)[index % 3]
            for name in ("input", "forget", "output")[4 - count :] if "peephole" in a else ():
                f |= {
                    f"{name}_multiplier": int(rng.integers(2**30, 2**31)),
                    f"{name}_shift": -int(rng.integers(14, 18)),
                }
        expected = getattr(oracle, kernel)(a, f)
        written = ("gates",) if is_rnn else ("gates", "cell")
        tolerance = 2e-6 if is_float else 0.0
        label, others = f"{batch}x{units} of {count}", {"kept": expected}
        yield Case(kernel, label, a, expected, f, tolerance, written=written, others=others)
