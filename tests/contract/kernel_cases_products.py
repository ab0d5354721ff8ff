"""Cases of products of int16 and of two computed matrices; see kernel_cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.contract import kernel_oracle_products as oracle
from tests.contract.kernel_case import NUMBERS_F32, Case, Rng, floats, int8s, numbers_s8
from tests.contract.kernel_cases_recurrent import int16s

#: Name -> taps, stride, dilation, padding; each of one axis.
WINDOWS = {"1": (1, 1, 1, 0), "3": (3, 1, 1, 1), "3/2": (3, 2, 1, 0), "2 dilated": (2, 1, 2, 1), "4": (4, 1, 1, 3)}


def convolutions(rng: Rng, kernel: str) -> Iterator[Case]:
    for index, (vertical, horizontal) in enumerate((v, h) for v in WINDOWS for h in WINDOWS):
        groups = (1, 1, 2, 3)[index % 4]
        part, each = (1, 5, 300, 8, 256)[index % 5], (1, 3, 8)[index % 3]
        f: dict[str, Any] = {"batch": 1 + index % 2, "groups": groups, "input_c": groups * part}
        f |= {"output_c": groups * each, "act_min": -32768 if index % 2 else 0, "act_max": 32767 - index}
        for axis, window, size in (("h", vertical, 5), ("w", horizontal, 6)):
            taps, stride, dilation, pad = WINDOWS[window]
            extent = (taps - 1) * dilation + 1
            f |= {f"input_{axis}": size, f"filter_{axis}": taps, f"stride_{axis}": stride, f"dilation_{axis}": dilation}
            f[{"h": "pad_top", "w": "pad_left"}[axis]] = pad
            f[f"output_{axis}"] = (size + pad - extent) // stride + 1
        a = {"input": int16s(rng, f["batch"], 5, 6, f["input_c"])}
        a["filter"] = int8s(rng, f["output_c"], f["filter_h"], f["filter_w"], part)
        if index % 3:
            a["bias"] = rng.integers(-(10**7), 10**7, f["output_c"])
        if index % 4 == 1:
            a["scale"] = np.exp2(rng.integers(-14, -6, f["output_c"])) * (1.0 if index % 2 else 0.77)
        else:
            a["multiplier"] = rng.integers(2**30, 2**31, f["output_c"]).astype(np.int32)
            a["multiplier"][::3] = (2**31 - 1, 2**30, 0)[index % 3]
            a["shift"] = rng.integers(-12, 1, f["output_c"]).astype(np.int32)
        label = f"{vertical} x {horizontal}, {groups} groups of {part}->{each}"
        yield Case(kernel, label, a, oracle.conv2d_s16(a, f), f)


def products(rng: Rng, kernel: str) -> Iterator[Case]:
    is_float = kernel.endswith("f32")
    make = {"matmul_f32": floats, "matmul_s8": int8s, "matmul_s16": int16s}[kernel]
    for index, n in enumerate((1, 7, 8, 63, 64, 65, 130, 200)):
        batch, m, k = (1, 3, 4)[index % 3], (1, 2, 5)[index % 3], (1, 4, 17, 300)[index % 4]
        repeats = (0, 1, 0)[index % 3], (0, 0, 1)[index % 3]
        f: dict[str, Any] = {"batch": batch, "m": m, "k": k, "n": n, "x_repeats": repeats[0], "y_repeats": repeats[1]}
        a = {"x": make(rng, 1 if repeats[0] else batch, m, k), "y": make(rng, 1 if repeats[1] else batch, k, n)}
        if is_float:
            f |= NUMBERS_F32
            if index % 2:
                a["bias"] = floats(rng, n)
        elif kernel == "matmul_s8":
            f |= {name: value for name, value in numbers_s8(rng).items() if name != "input_zero_point"}
            f |= {"x_zero_point": int(rng.integers(-128, 128)), "y_zero_point": int(rng.integers(-128, 128))}
            if index % 2:
                a |= {"bias": rng.integers(-9999, 9999, n).astype(np.int32), "scale": np.array([2.0 ** -(6 + index)])}
            else:
                f |= {"multiplier": int(rng.integers(2**30, 2**31)), "shift": (-9, 0, -31, 2)[index % 4]}
        else:
            f |= {"multiplier": int(rng.integers(2**30, 2**31)), "shift": (-16, -20, -31, 3)[index % 4]}
            f |= {"act_min": -32768, "act_max": 30000}
        expected = getattr(oracle, kernel)(a, f).reshape(batch, m, n)
        yield Case(kernel, f"{batch} of {m}x{k}x{n}", a, expected, f, 1e-6 if is_float else 0.0)


def greatest(rng: Rng, kernel: str) -> Iterator[Case]:
    """Few values, so that many are equal."""
    for index, depth in enumerate((1, 2, 5, 16, 100, 1000)):
        for number, dtype in enumerate(("int8", "int16", "int32", "int64", "float32")):
            f: dict[str, Any] = {
                "type": number,
                "rows": 1 + index % 3,
                "depth": depth,
                "k": (1, depth, max(1, depth // 2))[index % 3],
            }
            a = {"input": rng.integers(-9, 10, (f["rows"], depth)).astype(dtype)}
            if dtype == "float32":
                a["input"] = a["input"] / np.float32(3)
                a["input"][0, 0] = -0.0
            indices, values = oracle.top_k(a, f)
            yield Case(kernel, f"{f['k']} of {depth} {dtype}", a, indices, f, others={"values": values})
