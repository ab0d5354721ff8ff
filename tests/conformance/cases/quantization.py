"""Between real numbers and steps, and between steps of two sizes."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import EXACT, Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite


def same_shape(case: Case, operator: str, before: str, after: str) -> Added:
    """Add an operator without options whose output has the shape of its only input."""
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    x, y = case.input("x", shape, before, **case.steps(before)), case.tensor("y", shape, after, **case.steps(after))
    return case.operator(operator, [x], [y])


def _quantize(case: Case) -> Added:
    return same_shape(case, "QUANTIZE", "float32", case.dtype)


def _dequantize(case: Case) -> Added:
    return same_shape(case, "DEQUANTIZE", case.dtype, "float32")


def _requantize(case: Case) -> Added:
    others = {"int8": ("int8", "uint8"), "uint8": ("int8",), "int32": ("int8", "int16")}
    others["int16"] = ("int8", "int16", "int32")
    before, after = case.dtype, case.choice(others[case.dtype])
    if "int32" in (before, after):
        return _rescale32(case, before, after)
    return same_shape(case, "QUANTIZE", before, after)


def _rescale32(case: Case, before: str, after: str) -> Added:
    """Add a requantisation from or to int32, which `Case.steps` gives no scale."""
    steps = {
        dtype: case.steps(dtype) if dtype != "int32" else {"scales": [case.scale(1e-6, 1e-4)], "zero_points": [0]}
        for dtype in (before, after)
    }
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    low, high = (-90000, 90000) if before == "int32" else (None, None)
    x = case.input("x", shape, before, low=low, high=high, **steps[before])
    return case.operator("QUANTIZE", [x], [case.tensor("y", shape, after, **steps[after])])


def _cast(case: Case) -> Added:
    """Floats inside the range of all types but the bytes, which hold them."""
    after = case.choice(("float32", "int8", "uint8", "int16", "int32", "int64", "bool"))
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    low, high = (-30000.0, 30000.0) if case.dtype == "float32" and after not in ("int8", "uint8") else (None, None)
    x, y = case.input("x", shape, low=low, high=high), case.tensor("y", shape, after)
    return case.operator("CAST", [x], [y], **tflite.options(schema.CastOptions))


CASES = {
    "cast": Row(
        _cast,
        ("float32", "int8", "uint8", "int16", "int32", "int64", "bool"),
        tolerance=EXACT,
        scale_matters=False,
    ),
    "dequantize": Row(_dequantize, ("int8", "uint8", "int16"), tolerance=EXACT),
    "quantize": Row(_quantize, ("int8", "uint8", "int16")),
    "requantize": Row(_requantize, ("int8", "uint8", "int16", "int32")),
}
