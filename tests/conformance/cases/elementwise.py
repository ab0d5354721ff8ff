"""Arithmetic, comparisons and bits on pairs of tensors of one shape, or of shapes that broadcast."""

from __future__ import annotations

from functools import partial
from typing import Any

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import EXACT, Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite

BYTES = ("int8", "uint8")
NUMBERS = ("float32", "int32", "int64")
Shape = tuple[int, ...]


def _pair(case: Case, most_axes: int = 4) -> tuple[Shape, Shape, Shape]:
    """Return two shapes and the one they have together: equal, or with dimensions left out or 1."""
    rank = case.size(1, most_axes)
    shape = tuple(case.size(1, 20 if axis == rank - 1 else 5) for axis in range(rank))
    if case.size(0, 2) == 0:
        return shape, shape, shape
    first, second = (tuple(1 if case.size(0, 2) == 0 else size for size in shape) for _ in range(2))
    if case.size(0, 1):
        second = second[case.size(0, rank - 1) :]
    if case.size(0, 1):
        first, second = second, first
    rank = max(len(first), len(second))
    padded = [(1,) * (rank - len(own)) + own for own in (first, second)]
    return first, second, tuple(max(sizes) for sizes in zip(*padded, strict=True))


def _steps16(case: Case) -> dict[str, Any]:
    return case.steps() if case.dtype != "int16" else {"scales": [case.scale(1e-4, 1e-2)], "zero_points": [0]}


def _sum(case: Case, operator: str, options: type[schema.AddOptions] | type[schema.SubOptions]) -> Added:
    """int16 sums are shifts where scales that are powers of two fit together; the reference refuses others of them."""
    first, second, shape = _pair(case)
    powers = case.choice(("asked for", "there", "neither")) if case.dtype == "int16" else ""
    scales: list[float | None] = [None] * 3
    if powers == "there":
        exponent = case.size(3, 15)
        scales = [2.0**-exponent, 2.0 ** -(exponent + case.size(0, 5)), 2.0**-exponent]
        first, second = shape, shape
    elif powers == "asked for":
        scales = [float(case.rng.uniform(1e-4, 1e-2)) for _ in range(3)]
    if case.dtype == "int16":
        a_steps, b_steps, steps = (
            {"scales": [scale or case.scale(1e-4, 1e-2)], "zero_points": [0]} for scale in scales
        )
    else:
        a_steps, b_steps, steps = (case.steps() for _ in range(3))
    a, b = case.input("a", first, **a_steps), case.input("b", second, **b_steps)
    activation = ("b", tflite.ACTIVATION_NUMBERS[case.activation()])
    chosen = tflite.options(options, ACTIVATION=activation, POT_SCALE_INT16=("?", powers != "neither"))
    return case.operator(operator, [a, b], [case.tensor("y", shape, **steps)], **chosen)


def _mul(case: Case) -> Added:
    first, second, shape = _pair(case)
    plain = case.dtype == "int16" and case.size(0, 3) == 0
    a, b = (case.input(role, own, **({} if plain else _steps16(case))) for role, own in (("a", first), ("b", second)))
    y = case.tensor("y", shape, **({} if plain else _steps16(case)))
    activation = ("b", tflite.ACTIVATION_NUMBERS[case.activation()])
    return case.operator("MUL", [a, b], [y], **tflite.options(schema.MulOptions, ACTIVATION=activation))


def _div(case: Case) -> Added:
    """Divisors other than 0: the reference gives up there."""
    first, second, shape = _pair(case)
    steps = case.steps()
    low, high = {"float32": (0.1, 9.0), "int32": (1, 50)}.get(case.dtype, (None, None))
    if steps:
        zero_point = steps["zero_points"][0]
        least, most = (0, 255) if case.dtype == "uint8" else (-128, 127)
        above = most - zero_point >= zero_point - least
        low, high = (zero_point + 1, most) if above else (least, zero_point - 1)
    a, b = case.input("a", first, **case.steps()), case.input("b", second, low=low, high=high, **steps)
    activation = ("b", tflite.ACTIVATION_NUMBERS[case.activation()])
    options = tflite.options(schema.DivOptions, ACTIVATION=activation)
    return case.operator("DIV", [a, b], [case.tensor("y", shape, **case.steps())], **options)


def _two(case: Case, operator: str, low: float | None = None, high: float | None = None) -> Added:
    """Add an operator without options; low and high bound the second operand."""
    first, second, shape = _pair(case)
    a, b = case.input("a", first, **_steps16(case)), case.input("b", second, low=low, high=high, **_steps16(case))
    return case.operator(operator, [a, b], [case.tensor("y", shape, **_steps16(case))])


def _squared_difference(case: Case) -> Added:
    """The reference refuses an output scale that is too small for the inputs'."""
    first, second, shape = _pair(case)
    a, b = case.input("a", first, **case.steps()), case.input("b", second, **case.steps())
    return case.operator("SQUARED_DIFFERENCE", [a, b], [case.tensor("y", shape, **case.steps())])


def _plain(case: Case, operator: str, low: float | None = None, high: float | None = None) -> Added:
    """Add an operator on tensors without scales."""
    first, second, shape = _pair(case)
    a, b = case.input("a", first), case.input("b", second, low=low, high=high)
    return case.operator(operator, [a, b], [case.tensor("y", shape)])


def _atan2(case: Case) -> Added:
    shape = (case.size(1, 5), case.size(1, 40))
    return case.operator("ATAN2", [case.input(role, shape) for role in "ab"], [case.tensor("y", shape)])


def _pow(case: Case) -> Added:
    first, second, shape = _pair(case)
    whole = case.dtype == "int32"
    a = case.input("a", first, low=-6 if whole else 0.05, high=6)
    b = case.input("b", second, low=0 if whole else -4, high=9 if whole else 4)
    return case.operator("POW", [a, b], [case.tensor("y", shape)])


def _compare(case: Case, operator: str) -> Added:
    """Integers in a small range, so that many are equal; the reference refuses scales from 1 on."""
    first, second, shape = _pair(case)
    low, high = (-3, 3) if case.dtype in ("int16", "int32", "int64") else (None, None)
    steps = [case.steps(scale=case.scale(0.001, 0.9)) if case.dtype in BYTES else {} for _ in range(2)]
    if case.size(0, 2) == 0:
        steps[1] = steps[0]
    a = case.input("a", first, low=low, high=high, **steps[0])
    b = case.input("b", second, low=low, high=high, **steps[1])
    return case.operator(operator, [a, b], [case.tensor("y", shape, "bool")])


def _logical_not(case: Case) -> Added:
    shape = (case.size(1, 5), case.size(1, 40))
    return case.operator("LOGICAL_NOT", [case.input("x", shape)], [case.tensor("y", shape)])


def _add_n(case: Case) -> Added:
    shape = (case.size(1, 5), case.size(1, 40))
    inputs = [case.input(f"x{number}", shape) for number in range(case.size(2, 4))]
    return case.operator("ADD_N", inputs, [case.tensor("y", shape)])


def _prelu(case: Case) -> Added:
    shape = (case.size(1, 2), case.size(1, 4), case.size(1, 4), case.size(1, 20))
    alpha = case.choice((shape[1:], (1, 1, shape[3]), shape[3:], (1,), shape))
    x, slopes = case.input("x", shape, **case.steps()), case.input("alpha", alpha, **case.steps())
    return case.operator("PRELU", [x, slopes], [case.tensor("y", shape, **case.steps())])


def _comparison(operator: str, *more: str) -> Row:
    dtypes = (*NUMBERS, "int16", *BYTES, *more)
    return Row(partial(_compare, operator=operator), dtypes, tolerance=EXACT)


def _select(case: Case) -> Added:
    """Operands of one shape; the condition may choose along the first dimension."""
    shape, steps = (case.size(1, 5), case.size(1, 6), case.size(1, 20)), case.steps()
    condition = case.input("condition", case.choice((shape, shape[:1])), "bool")
    a, b = case.input("a", shape, **steps), case.input("b", shape, **steps)
    return case.operator("SELECT", [condition, a, b], [case.tensor("y", shape, **steps)])


def _select_v2(case: Case) -> Added:
    first, second, shape = _pair(case)
    rank = len(shape)
    where = tuple(1 if case.size(0, 2) == 0 else size for size in shape)[case.size(0, rank - 1) :]
    steps = case.steps()
    condition = case.input("condition", where, "bool")
    a, b = case.input("a", first, **steps), case.input("b", second, **steps)
    return case.operator("SELECT_V2", [condition, a, b], [case.tensor("y", shape, **steps)])


SELECTED = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")

CASES = {
    "add": Row(partial(_sum, operator="ADD", options=schema.AddOptions), (*BYTES, "int16", *NUMBERS)),
    "add_n": Row(_add_n, ("float32", "int32")),
    "atan2": Row(_atan2, ("float32",)),
    "bitwise_xor": Row(partial(_plain, operator="BITWISE_XOR"), (*BYTES, "int16", "int32"), scale_matters=False),
    "div": Row(_div, (*BYTES, "float32", "int32")),
    "equal": _comparison("EQUAL", "bool"),
    "floor_div": Row(
        partial(_plain, operator="FLOOR_DIV", low=1, high=9), ("float32", "int8", "int16", "int32"), scale_matters=False
    ),
    "floor_mod": Row(
        partial(_plain, operator="FLOOR_MOD", low=-9, high=-1), (*NUMBERS, "int8", "int16"), scale_matters=False
    ),
    "greater": _comparison("GREATER"),
    "greater_equal": _comparison("GREATER_EQUAL"),
    "less": _comparison("LESS"),
    "less_equal": _comparison("LESS_EQUAL"),
    "logical_and": Row(partial(_plain, operator="LOGICAL_AND"), ("bool",)),
    "logical_not": Row(_logical_not, ("bool",)),
    "logical_or": Row(partial(_plain, operator="LOGICAL_OR"), ("bool",)),
    "maximum": Row(
        partial(_two, operator="MAXIMUM"), (*BYTES, "int16", *NUMBERS), tolerance=EXACT, scale_matters=False
    ),
    "minimum": Row(
        partial(_two, operator="MINIMUM"), (*BYTES, "int16", *NUMBERS), tolerance=EXACT, scale_matters=False
    ),
    "mul": Row(_mul, (*BYTES, "int16", *NUMBERS)),
    "not_equal": Row(partial(_compare, operator="NOT_EQUAL"), (*NUMBERS, *BYTES, "bool"), tolerance=EXACT),
    "pow": Row(_pow, ("float32", "int32")),
    "prelu": Row(_prelu, (*BYTES, "float32")),
    "right_shift": Row(
        partial(_plain, operator="RIGHT_SHIFT", low=0, high=9), (*BYTES, "int16", "int32"), scale_matters=False
    ),
    "select": Row(_select, SELECTED, tolerance=EXACT, scale_matters=False),
    "select v2": Row(_select_v2, SELECTED, tolerance=EXACT, scale_matters=False),
    "squared_difference": Row(_squared_difference, ("int8", "float32", "int32")),
    "sub": Row(partial(_sum, operator="SUB", options=schema.SubOptions), (*BYTES, "int16", *NUMBERS)),
}
