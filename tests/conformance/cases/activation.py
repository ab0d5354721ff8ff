"""Functions of one element that stand alone, not fused into the operator before them."""

from __future__ import annotations

from tests.conformance.case import EXACT, Added, Case, Row
from tests.conformance.cases.quantization import same_shape


def _relu(case: Case) -> Added:
    return same_shape(case, "RELU", case.dtype, case.dtype)


def _relu6(case: Case) -> Added:
    return same_shape(case, "RELU6", case.dtype, case.dtype)


def _relu_n1_to_1(case: Case) -> Added:
    return same_shape(case, "RELU_N1_TO_1", case.dtype, case.dtype)


CASES = {
    "relu": Row(_relu, tolerance=EXACT),
    "relu6": Row(_relu6, tolerance=EXACT),
    "relu_n1_to_1": Row(_relu_n1_to_1, ("float32",), tolerance=EXACT),
}
