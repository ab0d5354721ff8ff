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


CASES = {
    "mean": Row(_mean, ("int8", "uint8", "float32")),
}
