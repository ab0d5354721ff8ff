"""Many elements become one, or are set against their sum."""

from __future__ import annotations

from tests.conformance.case import EXACT, Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite


def _reduced(case: Case, operator: str, *, same_steps: bool = False, scale: float | None = None) -> Added:
    """Any axes, in any order and counted from either end; kept dimensions may lie between them."""
    shape = tuple(case.size(1, 7) for _ in range(case.size(1, 5)))
    rank = len(shape)
    chosen = [int(axis) for axis in case.rng.permutation(rank)[: case.size(1, rank)]]
    axes = [axis - rank if case.size(0, 1) else axis for axis in chosen]
    keep = bool(case.size(0, 1))
    kept = tuple(1 if axis in chosen else size for axis, size in enumerate(shape))
    left = tuple(size for axis, size in enumerate(shape) if axis not in chosen)
    steps = case.steps()
    x = case.input("x", shape, **steps)
    y = case.tensor("y", kept if keep else left, **(steps if same_steps else case.steps(scale=scale)))
    return case.operator(operator, [x, case.integers("axes", axes)], [y], **tflite.mean_options(keep_dims=keep))


def _mean(case: Case) -> Added:
    return _reduced(case, "MEAN")


def _sum(case: Case) -> Added:
    return _reduced(case, "SUM", scale=case.choice((None, 1.0, 2.5)) if case.dtype == "uint8" else None)


def _prod(case: Case) -> Added:
    return _reduced(case, "REDUCE_PROD", scale=0.25 if case.dtype == "int16" else None)


def _max(case: Case) -> Added:
    return _reduced(case, "REDUCE_MAX", same_steps=True)


def _min(case: Case) -> Added:
    return _reduced(case, "REDUCE_MIN", same_steps=True)


def _any(case: Case) -> Added:
    return _reduced(case, "REDUCE_ANY")


def _all(case: Case) -> Added:
    return _reduced(case, "REDUCE_ALL")


def _arg(case: Case, operator: str) -> Added:
    """Few values, so that many are equal."""
    shape = tuple(case.size(1, 7) for _ in range(case.size(1, 4)))
    axis = case.size(-len(shape), len(shape) - 1)
    left = list(shape)
    del left[axis]
    bounds = {} if case.dtype in ("float32", "bool") else {"low": 0, "high": 9}
    x = case.input("x", shape, **bounds, **case.steps())
    dtype = case.choice(("int32", "int64"))
    options = {"options": {0: ("b", 4 if dtype == "int64" else 2)}, "union": 40 if operator == "ARG_MAX" else 57}
    y = case.tensor("y", tuple(left), dtype)
    return case.operator(operator, [x, case.integers("axis", axis)], [y], **options)


def _arg_max(case: Case) -> Added:
    return _arg(case, "ARG_MAX")


def _arg_min(case: Case) -> Added:
    return _arg(case, "ARG_MIN")


NUMBERS = ("int8", "uint8", "int16", "float32", "int32", "int64")

CASES = {
    "arg_max": Row(_arg_max, ("int8", "uint8", "float32", "int32"), scale_matters=False),
    "arg_min": Row(_arg_min, ("int8", "uint8", "float32", "int32"), scale_matters=False),
    "mean": Row(_mean, NUMBERS),
    "reduce_all": Row(_all, ("bool",)),
    "reduce_any": Row(_any, ("bool",)),
    "reduce_max": Row(_max, NUMBERS, tolerance=EXACT),
    "reduce_min": Row(_min, NUMBERS, tolerance=EXACT),
    "reduce_prod": Row(_prod, ("int8", "int16", "float32", "int32", "int64")),
    "reduce_sum": Row(_sum, ("uint8", "float32", "int32", "int64")),
}
