from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.quantization.outcome import Outcome, chooses_a_class, compare, quality


def outputs(*rows: list[float]) -> list[list[np.ndarray]]:
    return [[np.array([row], np.float32)] for row in rows]


def test_the_figures_are_those_of_their_definitions():
    found = compare(outputs([1, 0], [0, 2]), outputs([1, 0.5], [2.5, 2]), np.array([0, 0]))
    assert found.signal_to_noise_db == pytest.approx(10 * np.log10(5 / 6.5))
    assert found.largest_error == pytest.approx(2.5 / 2)
    assert (found.agreement, found.accuracy) == (0.5, 1.0)


def test_equal_outputs_have_no_noise_and_the_best_quality():
    same = compare(outputs([1, 0]), outputs([1, 0]), None)
    assert (same.signal_to_noise_db, same.largest_error, same.agreement, same.accuracy) == (None, 0, 1, None)
    assert quality(same) > quality(Outcome(90.0, 0.0, 1.0, None)) > quality(Outcome(99.0, 0.0, 0.9, None))


def test_float_outputs_of_zeros_do_not_divide_by_them():
    assert compare(outputs([0, 0]), outputs([0, 1]), None).signal_to_noise_db == 0


def test_a_model_chooses_a_class_with_labels_or_where_outputs_are_a_distribution():
    assert chooses_a_class(outputs([0.2, 0.8], [1, 0]), None)
    assert not chooses_a_class(outputs([0.2, 0.9]), None)
    assert not chooses_a_class(outputs([-1, 2]), None)
    assert not chooses_a_class(outputs([1]), None)
    assert chooses_a_class(outputs([-1, 2]), np.array([1]))
