from __future__ import annotations

import numpy as np
import pytest

from tests.conformance.case import EXACT, Row
from tests.conformance.cases import CASES
from tests.conformance.judge import apart, distance, mistakes, span
from tests.conformance.models import Use, single_op_model


def words(ours: np.ndarray, theirs: np.ndarray, rival: np.ndarray | None = None, tolerance: float = 1e-5) -> list[str]:
    use = Use("neg", Row(lambda case: ([], []), tolerance=tolerance), slice(0, 1))
    return mistakes([use], [[ours]], [[theirs]], None if rival is None else [[rival]])


def test_integers_are_equal_to_the_bit_or_wrong() -> None:
    truth = np.array([1, 2, 3], np.int8)
    assert not words(truth.copy(), truth)
    assert words(truth + np.int8(1), truth) == ["neg: output 0: 3 of 3 values differ, by up to 1"]


def test_another_dtype_or_shape_is_wrong_whatever_the_values() -> None:
    truth = np.zeros(3, np.float32)
    assert "expected float32[1, 3]" in words(np.zeros(3, np.float64), truth)[0]
    assert "expected float32[1, 3]" in words(np.zeros((3, 1), np.float32), truth)[0]


def test_a_float_may_differ_by_a_part_of_the_range_only() -> None:
    truth = np.array([0, 100], np.float32)
    assert not words(truth + np.float32(0.9e-3), truth)
    assert words(truth + np.float32(1.2e-3), truth)
    assert words(truth + np.float32(0.9e-3), truth, tolerance=EXACT)


def test_a_float_may_differ_by_twice_what_the_back_ends_differ() -> None:
    truth = np.array([0, 1], np.float32)
    rival = truth + np.float32(0.01)
    assert not words(truth + np.float32(0.019), truth, rival)
    assert words(truth + np.float32(0.021), truth, rival)


def test_two_engines_may_differ_by_a_part_of_what_each_output_sums() -> None:
    use = Use("sum", Row(lambda case: ([], []), is_sum=True), slice(0, 1))
    a, sums = np.array([0, 0], np.float32), np.array([10, 1000], np.float32)
    for gap, right in ((0.9, True), (1.1, False)):
        for place in (0, 1):
            b = a.copy()
            b[place] += gap * 1e-6 * sums[place]
            assert (not apart([use], [[a]], [[b]], [[sums]])) == right
    whole = np.array([1, 2], np.int8)
    assert apart([use], [[whole]], [[whole + np.int8(1)]], [[sums]])


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_values_match_themselves_alone(special: float) -> None:
    truth = np.array([special, 1], np.float32)
    assert not words(truth.copy(), truth)
    assert words(np.array([0, 1], np.float32), truth)
    assert words(truth, np.array([0, 1], np.float32))
    assert distance(truth, -truth) > 1
    assert span(truth) == 1


def test_the_same_seed_gives_the_same_model_and_inputs_and_another_seed_others() -> None:
    for case, row in CASES.items():
        first, again, other = (single_op_model(case, row.dtypes[0], seed) for seed in (1, 1, 2))
        assert first.data == again.data
        assert first.data != other.data
        for a, b in zip(first.draw(5), again.draw(5), strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_magnitudes_leave_no_negative_weight_and_no_activation() -> None:
    for seed in range(5):
        usual, positive = (single_op_model("fully_connected", "float32", seed, magnitudes=m) for m in (False, True))
        assert [each.shape for each in usual.inputs] == [each.shape for each in positive.inputs]
        assert usual.data != positive.data
