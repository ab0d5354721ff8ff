"""Arithmetic on tensors of one shape, or of shapes that broadcast."""

from __future__ import annotations

from tests.conformance.case import Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite


def _add(case: Case) -> Added:
    shape = (case.size(1, 3), case.size(1, 6), case.size(1, 5), case.size(1, 20))
    shapes = [shape, case.choice((shape, shape, shape[-1:], (1, 1, 1, shape[-1]), (1,)))]
    if case.size(0, 1):
        shapes.reverse()
    inputs = [case.input(role, shape, **case.steps()) for role, shape in zip("ab", shapes, strict=True)]
    y = case.tensor("y", shape, **case.steps())
    return case.operator("ADD", inputs, [y], **tflite.add_options(case.activation()))


CASES = {
    "add": Row(_add, ("int8", "uint8", "float32")),
}
