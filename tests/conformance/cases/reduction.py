"""Many elements become one, or are set against their sum."""

from __future__ import annotations

from tests.conformance.case import Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite


def _mean(case: Case) -> Added:
    shape = tuple(case.size(1, 9) for _ in range(4))
    axes = case.choice(((1, 2), (2, 3), (-1,), (1,), (0, 1, 2)))
    gone = {axis % 4 for axis in axes}
    keep = bool(case.size(0, 1))
    kept = tuple(1 if axis in gone else size for axis, size in enumerate(shape))
    left = tuple(size for axis, size in enumerate(shape) if axis not in gone)
    x, y = case.input("x", shape, **case.steps()), case.tensor("y", kept if keep else left, **case.steps())
    return case.operator("MEAN", [x, case.integers("axes", axes)], [y], **tflite.mean_options(keep_dims=keep))


def _softmax(case: Case) -> Added:
    shape = (case.size(1, 5), case.choice((1, 2, 10, 300)))
    x = case.input("x", shape, **case.steps())
    steps = (
        {} if case.dtype == "float32" else {"scales": [1 / 256], "zero_points": [0 if case.dtype == "uint8" else -128]}
    )
    y = case.tensor("y", shape, **steps)
    return case.operator("SOFTMAX", [x], [y], **tflite.softmax_options(case.choice((1.0, 0.5, 2.5))))


CASES = {
    "mean": Row(_mean, ("int8", "uint8", "float32")),
    "softmax": Row(_softmax, ("int8", "uint8", "float32")),
}
