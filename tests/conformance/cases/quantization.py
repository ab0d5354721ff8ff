"""Between real numbers and steps, and between steps of two sizes."""

from __future__ import annotations

from tests.conformance.case import EXACT, Added, Case, Row


def same_shape(case: Case, operator: str, before: str, after: str) -> Added:
    """Add an operator without options whose output has the shape of its only input."""
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    x, y = case.input("x", shape, before, **case.steps(before)), case.tensor("y", shape, after, **case.steps(after))
    return case.operator(operator, [x], [y])


def _quantize(case: Case) -> Added:
    return same_shape(case, "QUANTIZE", "float32", case.choice(("int8", "uint8")))


def _dequantize(case: Case) -> Added:
    return same_shape(case, "DEQUANTIZE", case.choice(("int8", "uint8")), "float32")


def _requantize(case: Case) -> Added:
    before, after = case.choice((("int8", "int8"), ("int8", "uint8"), ("uint8", "int8")))
    return same_shape(case, "QUANTIZE", before, after)


CASES = {
    "dequantize": Row(_dequantize, ("int8",), tolerance=EXACT),
    "quantize": Row(_quantize, ("int8",)),
    "requantize": Row(_requantize, ("int8",)),
}
