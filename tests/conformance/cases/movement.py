"""Bytes under another shape or in another order."""

from __future__ import annotations

import numpy as np

from tests.conformance.case import EXACT, Added, Case, Row

#: SqueezeOptions of the schema: its number in the union, and its field.
SQUEEZE_OPTIONS, SQUEEZE_DIMS = 30, 0


def _reshape(case: Case) -> Added:
    a, b = case.size(1, 9), case.size(1, 9)
    steps = case.steps()
    x, y = case.input("x", (a, b), **steps), case.tensor("y", (b, a, 1), **steps)
    return case.operator("RESHAPE", [x, case.integers("shape", [b, -1, 1])], [y])


def _squeeze(case: Case) -> Added:
    shape, steps = (1, case.size(1, 9), 1, case.size(2, 9)), case.steps()
    axes = case.choice(((0, 2), (0,), (2,), (-2,)))
    left = tuple(size for axis, size in enumerate(shape) if axis not in {axis % 4 for axis in axes})
    x, y = case.input("x", shape, **steps), case.tensor("y", left, **steps)
    options = {"options": {SQUEEZE_DIMS: np.array(axes, "<i4")}, "union": SQUEEZE_OPTIONS}
    return case.operator("SQUEEZE", [x], [y], **options)


def _expand_dims(case: Case) -> Added:
    shape, steps = (case.size(1, 9), case.size(1, 9)), case.steps()
    axis = case.size(-3, 2)
    larger = list(shape)
    larger.insert(axis % 3, 1)
    x, y = case.input("x", shape, **steps), case.tensor("y", tuple(larger), **steps)
    return case.operator("EXPAND_DIMS", [x, case.integers("axis", [axis])], [y])


CASES = {
    "reshape": Row(_reshape, tolerance=EXACT, scale_matters=False, dtype_matters=False),
    "reshape expand_dims": Row(_expand_dims, tolerance=EXACT, scale_matters=False, dtype_matters=False),
    "reshape squeeze": Row(_squeeze, tolerance=EXACT, scale_matters=False, dtype_matters=False),
}
