"""The cases of the kernels that treat each element alone, or pairs of elements; see kernel_cases.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edge_sdk.compiler.ops.strided_map import OPERATIONS
from tests.contract import kernel_oracle_map as oracle
from tests.contract.kernel_case import Array, Case, Rng

#: Elements around the vectors of the plain kernels.
COUNTS = (1, 7, 8, 15, 16, 17, 31, 33, 64, 255, 256, 300)
#: Shapes of a, of b and of the output: dense, one repeated along each end, both repeated, all six dimensions.
SHAPES = (
    ((1,), (1,), (1,)),
    ((33,), (33,), (33,)),
    ((3, 70), (70,), (3, 70)),
    ((130,), (1,), (130,)),
    ((3, 1), (1, 66), (3, 66)),
    ((2, 1, 3, 1, 2, 1), (1, 2, 1, 2, 1, 5), (2, 2, 3, 2, 2, 5)),
)
DTYPES = {"f32": "float32", "s8": "int8", "s16": "int16", "s32": "int32", "s64": "int64"}


def lookups(rng: Rng, kernel: str) -> Iterator[Case]:
    dtype, bits = ("int8", 8) if kernel == "lookup_s8" else ("int16", 16)
    info = np.iinfo(dtype)
    table = rng.integers(info.min, info.max + 1, 1 << bits).astype(dtype)
    for count in (*COUNTS, 5000):
        x = rng.integers(info.min, info.max + 1, count).astype(dtype)
        expected = table[x.view(f"uint{bits}")]
        yield Case(kernel, f"{count}", {"input": x, "table": table}, expected, {"count": count}, 0.0, ("input",))


def walk_fields(a: Array, b: Array, shape: tuple[int, ...]) -> dict[str, int]:
    """The sizes and the strides with which numpy repeats the operands."""
    missing = 6 - len(shape)
    fields = {"count": int(np.prod(shape))}
    fields |= {f"size{axis}": size for axis, size in enumerate((1,) * missing + shape)}
    for name, operand in (("a", a), ("b", b)):
        steps = [step // operand.itemsize for step in np.broadcast_to(operand, shape).strides]
        fields |= {f"{name}_stride{axis}": step for axis, step in enumerate([0] * missing + steps)}
    return fields


def in_place(a: Array, b: Array, output: Array) -> tuple[str, ...]:
    return tuple(name for name, x in (("a", a), ("b", b)) if x.shape == output.shape and x.itemsize == output.itemsize)


def _float_pair(rng: Rng, operation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[Array, Array]:
    a, b = ((rng.standard_normal(shape) * 3).astype(np.float32) for shape in shapes[:2])
    if operation in oracle.POSITIVE:
        a = np.abs(a) + np.float32(0.1)
    if operation in ("floor_div", "floor_mod", "round"):
        a, b = np.rint(a * 4) / 2, np.where(np.abs(b) < 0.5, 0.5, np.rint(b * 2) / 2).astype(np.float32)
    return a, b


def float_maps(rng: Rng, kernel: str) -> Iterator[Case]:
    for index, (operation, function) in enumerate(oracle.FLOATS.items()):
        for shapes in SHAPES[index % 2 :]:
            a, b = _float_pair(rng, operation, shapes)
            f: dict[str, Any] = {"operation": OPERATIONS[operation], **walk_fields(a, b, shapes[2]), "alpha": 0.2}
            f |= {"act_min": 0.0, "act_max": 6.0} if index % 5 == 4 else {"act_min": -np.inf, "act_max": np.inf}
            x, y = (np.broadcast_to(each.astype(np.float64), shapes[2]) for each in (a, b))
            expected = np.clip(function(x, y, f), f["act_min"], f["act_max"]).astype(np.float32)
            yield Case(kernel, f"{operation} {shapes}", {"a": a, "b": b}, expected, f, 1e-6, in_place(a, b, expected))
    a = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0, -0.0, 1e-45], np.float32)
    for operation in oracle.FLOATS:
        if operation in ("add", "mul", "maximum", "abs", "negative", "floor", "ceil", "round", "square"):
            f = {
                "operation": OPERATIONS[operation],
                **walk_fields(a, a, a.shape),
                "act_min": -np.inf,
                "act_max": np.inf,
            }
            with np.errstate(all="ignore"):
                expected = oracle.FLOATS[operation](a, a, f)
            yield Case(kernel, f"{operation} of limits", {"a": a, "b": a.copy()}, expected, f)


def _integers(rng: Rng, operation: str, dtype: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[Array, Array]:
    info = np.iinfo(dtype)
    low, high = max(info.min, -1 << 20), min(info.max, 1 << 20)
    a, b = (rng.integers(low, high + 1, shape).astype(dtype) for shape in shapes[:2])
    if "div" in operation or "mod" in operation:
        b = np.where(rng.random(b.shape) < 0.2, 0, rng.integers(-9, 10, b.shape)).astype(dtype)
    if operation == "pow":
        a, b = rng.integers(-9, 10, a.shape).astype(dtype), rng.integers(0, 9, b.shape).astype(dtype)
    if "shift" in operation:
        b = rng.integers(-3, 40, b.shape).astype(dtype)
    return a, b


def integer_maps(rng: Rng, kernel: str) -> Iterator[Case]:
    dtype = DTYPES[kernel.removeprefix("map_")]
    info = np.iinfo("int32" if dtype == "int64" else dtype)
    functions = dict(oracle.INTEGERS)
    if dtype in ("int8", "int16"):
        functions = {name: functions[name] for name in oracle.SMALL}
    if dtype != "int64":
        functions |= oracle.BITS
    for index, (operation, function) in enumerate(functions.items()):
        for shapes in SHAPES[index % 2 :]:
            a, b = _integers(rng, operation, dtype, shapes)
            f: dict[str, Any] = {"operation": OPERATIONS[operation], **walk_fields(a, b, shapes[2])}
            f |= {"act_min": info.min, "act_max": info.max if index % 3 else 100}
            x, y = (np.broadcast_to(each.astype(np.int64), shapes[2]) for each in (a, b))
            bounds = f if dtype != "int64" else {"act_min": -(2**63), "act_max": 2**63 - 1 if index % 3 else 100}
            expected = oracle.clamped(function(x, y, {"bits": 8 * a.itemsize}), dtype, bounds)
            yield Case(kernel, f"{operation} {shapes}", {"a": a, "b": b}, expected, f, 0.0, in_place(a, b, expected))
    if dtype in ("int8", "int16"):
        yield from step_maps(rng, kernel, dtype)


def _step_fields(rng: Rng, dtype: str, operation: str) -> dict[str, Any]:
    """Numbers as models have them; zero points only where no product could pass 32 bits."""
    wide = dtype == "int16"
    info = np.iinfo(dtype)
    zero = {name: 0 if wide else int(rng.integers(-128, 128)) for name in ("a", "b", "output")}
    f: dict[str, Any] = {f"{name}_zero_point": point for name, point in zero.items()}
    f |= {f"{name}multiplier": int(rng.integers(2**30, 2**31)) for name in ("a_", "b_", "")}
    f |= {"a_shift": -int(rng.integers(0, 3)), "b_shift": -int(rng.integers(0, 3))}
    f["left"] = (15 if wide else 20) if operation in ("steps_add", "steps_sub") else 7 if "square" in operation else 0
    f["shift"] = -int(rng.integers(f["left"] + 1, f["left"] + 9))
    return f | {"act_min": info.min, "act_max": int(info.max * 0.7)}


def step_maps(rng: Rng, kernel: str, dtype: str) -> Iterator[Case]:
    info = np.iinfo(dtype)
    functions = oracle.STEPS | (oracle.SHIFTED if dtype == "int16" else {})
    for operation, function in functions.items():
        for shapes in SHAPES:
            a, b = (rng.integers(info.min, info.max + 1, shape).astype(dtype) for shape in shapes[:2])
            f = {
                "operation": OPERATIONS[operation],
                **walk_fields(a, b, shapes[2]),
                **_step_fields(rng, dtype, operation),
            }
            x, y = (
                np.broadcast_to(each.astype(np.int64) - f[f"{name}_zero_point"], shapes[2])
                for name, each in (("a", a), ("b", b))
            )
            expected = oracle.clamped_steps(function(x, y, f), dtype, f)
            yield Case(kernel, f"{operation} {shapes}", {"a": a, "b": b}, expected, f, 0.0, in_place(a, b, expected))


def comparisons(rng: Rng, kernel: str) -> Iterator[Case]:
    dtype = DTYPES[kernel.removeprefix("compare_")]
    for operation, function in oracle.COMPARISONS.items():
        for shapes in SHAPES:
            a, b = (rng.integers(-4, 5, shape).astype(dtype) for shape in shapes[:2])
            f: dict[str, Any] = {"operation": OPERATIONS[operation], **walk_fields(a, b, shapes[2])}
            expected = function(*(np.broadcast_to(each, shapes[2]) for each in (a, b)), f).astype(np.uint8)
            yield Case(kernel, f"{operation} {shapes}", {"a": a, "b": b}, expected, f, 0.0, in_place(a, b, expected))
            if dtype == "int8":
                f = {**f, "operation": OPERATIONS[f"steps_{operation}"], "left": 8}
                f |= {"a_zero_point": 3, "b_zero_point": -2}
                f |= {"a_multiplier": 2**30, "b_multiplier": 2**30 + 12345, "a_shift": -2, "b_shift": -3}
                x, y = (np.broadcast_to(each.astype(np.int64), shapes[2]) for each in (a, b))
                steps = oracle.compare_steps(operation, x - 3, y + 2, f).astype(np.uint8)
                yield Case(kernel, f"steps {operation} {shapes}", {"a": a, "b": b}, steps, f)


def maps(rng: Rng, kernel: str) -> Iterator[Case]:
    if kernel.startswith("compare"):
        return comparisons(rng, kernel)
    return float_maps(rng, kernel) if kernel == "map_f32" else integer_maps(rng, kernel)
