from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.quantize.assign import activation_quantization
from edge_sdk.compiler.quantize.calibrate import CALIBRATIONS, Range, least_squares, min_max, percentile
from edge_sdk.compiler.quantize.observers import Observer


def seen(values: np.ndarray):
    observer = Observer("t")
    observer.see(values.astype(np.float32))
    return observer.statistics()


def squared_error(values: np.ndarray, covered: Range) -> float:
    q = activation_quantization(covered)
    steps = np.clip(np.rint(values / q.scale) + q.zero_point, -128, 127)
    return float((((steps - q.zero_point) * q.scale - values) ** 2).mean())


def test_min_max_is_what_was_seen_and_holds_zero():
    assert min_max(seen(np.array([0.5, 2.0]))) == Range(0.0, 2.0)
    assert min_max(seen(np.array([-2.0, -1.0]))) == Range(-2.0, 0.0)


def test_percentile_leaves_outliers_out_and_the_rest_in():
    values = np.concatenate([np.linspace(-1, 1, 99_999), [1000.0]])
    found = percentile(seen(values))
    assert 0.99 < found.high < 2.0
    assert found.low == pytest.approx(-1.0, abs=0.6)


def test_percentile_of_few_values_is_all_of_them():
    assert percentile(seen(np.array([-1.0, 0.5, 3.0]))) == Range(-1.0, 3.0)


@pytest.mark.parametrize("seed", range(5))
def test_the_least_squares_range_is_at_least_as_good_as_all_others_on_the_grid(seed: int):
    rng = np.random.default_rng(seed)
    values = rng.standard_t(3, 20_000)
    found = squared_error(values, least_squares(seen(values)))
    for share in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0):
        assert found <= 1.02 * squared_error(values, Range(values.min() * share, values.max() * share))


@pytest.mark.parametrize("name", CALIBRATIONS)
@pytest.mark.parametrize("values", [np.zeros(5), np.full(5, 3.0), np.full(5, -1e-30), np.array([1e-45, 3e38])])
def test_odd_tensors_get_a_range_that_can_be_quantised(name: str, values: np.ndarray):
    q = activation_quantization(CALIBRATIONS[name](seen(values)))
    assert np.isfinite(q.scale)
    assert q.scale > 0
    assert -128 <= q.zero_point <= 127
