"""The cases of the kernels that convert types and choose elements; see kernel_cases.py."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from edge_sdk.compiler.ops.conversion import TYPES
from tests.contract.kernel_case import Array, Case, Rng
from tests.contract.kernel_oracle import mbqm, round_away, saturate32, wrap32

COUNTS = (1, 63, 64, 65, 300)


def _numbers(rng: Rng, dtype: str, count: int) -> Array:
    if dtype == "bool":
        return rng.integers(0, 3, count).astype(np.uint8)
    if np.dtype(dtype).kind == "f":
        x = (rng.standard_normal(count) * 300).astype(dtype)
        x[::7] = rng.choice(np.array([np.nan, np.inf, -np.inf, 6e4, 1e-7, -0.5], dtype), len(x[::7]))
        return x
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, count, dtype, endpoint=True)


def _cast(x: Array, dtype: str) -> Array:
    """What C's conversions give, floats held inside the type."""
    if dtype == "bool":
        return (x != 0).astype(np.uint8)
    if x.dtype.kind != "f" or dtype == "float32":
        return x.astype(dtype)
    info = np.iinfo(dtype)
    answers = [
        info.max if np.isnan(v) else min(max(int(np.clip(v, -1e30, 1e30)), info.min), info.max) for v in x.astype(float)
    ]
    return np.array(answers, dtype)


def casts(rng: Rng, kernel: str) -> Iterator[Case]:
    for before, after in product(TYPES, TYPES):
        if after != "float16":
            x = _numbers(rng, before, 100)
            f = {"count": 100, "from": TYPES[before], "to": TYPES[after]}
            source = (x != 0).astype(np.uint8) if before == "bool" else x
            yield Case(kernel, f"{before} to {after}", {"input": x}, _cast(source, after), f)


def rescales(rng: Rng, kernel: str) -> Iterator[Case]:
    for (before, after), count in product(product(("int8", "int16", "int32"), repeat=2), COUNTS):
        x = _numbers(rng, before, count)
        f: dict[str, Any] = {"count": count, "from": TYPES[before], "to": TYPES[after], "input_zero_point": 3}
        f |= {
            "output_zero_point": -5,
            "multiplier": int(rng.integers(2**30, 2**31)),
            "shift": int(rng.integers(-20, 3)),
        }
        info = np.iinfo(after)
        y = mbqm(wrap32(x.astype(np.int64) - 3), f["multiplier"], f["shift"]) - 5
        yield Case(kernel, f"{before} to {after}", {"input": x}, np.clip(y, info.min, info.max).astype(after), f)


def scalings(rng: Rng, kernel: str) -> Iterator[Case]:
    for count in COUNTS:
        f: dict[str, Any] = {"count": count, "scale": 0.25}
        if kernel == "quantize_f32_s16":
            f |= {"from": TYPES["float32"], "to": TYPES["int16"], "output_zero_point": 100}
            x = (rng.integers(-99999, 99999, count) / 8).astype(np.float32)
            x[::7] = rng.choice(np.array([np.nan, np.inf, -np.inf, 3e38], np.float32), len(x[::7]))
            real = np.clip(np.where(np.isnan(x), 0, x.astype(np.float64) / 0.25), -1e6, 1e6)
            expected = np.clip(saturate32(round_away(real) + 100), -32768, 32767).astype(np.int16)
        else:
            f |= {"from": TYPES["int16"], "to": TYPES["float32"], "input_zero_point": -7}
            x = _numbers(rng, "int16", count)
            expected = (0.25 * (x.astype(np.float64) + 7)).astype(np.float32)
        yield Case(kernel, f"{count}", {"input": x}, expected, f)


def conversions(rng: Rng, kernel: str) -> Iterator[Case]:
    return {"cast": casts, "rescale": rescales}.get(kernel, scalings)(rng, kernel)


def selections(rng: Rng, kernel: str) -> Iterator[Case]:
    shapes = (((1,), (1,), (1,)), ((65,), (65,), (65,)), ((3, 1), (3, 70), (70,)), ((2, 1, 3), (1, 4, 1), (2, 4, 3)))
    for dtype, group in product(("int8", "int16", "float32", "int64"), shapes):
        shape = np.broadcast_shapes(*group)
        condition = rng.integers(0, 3, group[0]).astype(np.uint8)
        a, b = (rng.integers(-99, 99, each).astype(dtype) for each in group[1:])
        missing = 6 - len(shape)
        f: dict[str, Any] = {"element": a.itemsize, "count": int(np.prod(shape))}
        f |= {f"size{axis}": size for axis, size in enumerate((1,) * missing + shape)}
        for name, operand in (("condition", condition), ("a", a), ("b", b)):
            steps = [step // operand.itemsize for step in np.broadcast_to(operand, shape).strides]
            f |= {f"{name}_stride{axis}": step for axis, step in enumerate([0] * missing + steps)}
        inputs = {"condition": condition, "a": a, "b": b}
        yield Case(kernel, f"{dtype} {group}", inputs, np.where(condition != 0, a, b), f)
