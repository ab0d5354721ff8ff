from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.quantize.observers import BINS, Observer
from edge_sdk.errors import InputError


def statistics(*arrays: np.ndarray, with_mean: bool = False):
    observer = Observer("t", with_mean=with_mean)
    for array in arrays:
        observer.see(array.astype(np.float32))
    return observer.statistics()


def test_the_extremes_are_exact_and_every_value_is_counted_once():
    rng = np.random.default_rng(1)
    arrays = [rng.normal(0, scale, (3, 50)) for scale in (0.01, 1.0, 100.0)]
    found = statistics(*arrays)
    together = np.concatenate(arrays).astype(np.float32)
    assert (found.low, found.high) == (together.min(), together.max())
    assert found.counts.sum() + found.zeros == together.size


def test_a_histogram_that_grew_is_the_one_of_all_values_at_once():
    rng = np.random.default_rng(2)
    small, large = rng.normal(0, 0.01, 500), rng.normal(0, 10, 500)
    grown, at_once = statistics(small, large), statistics(np.concatenate([small, large]))
    assert grown.width == at_once.width
    assert np.array_equal(grown.counts, at_once.counts)


def test_the_histogram_reaches_the_greatest_value():
    found = statistics(np.array([0.0, 5.9, -3.0]))
    assert BINS * found.width > 5.9
    assert found.centres[found.counts > 0] == pytest.approx([-3.0, 5.9], abs=found.width)
    assert found.zeros == 1


def test_the_mean_is_over_the_samples():
    found = statistics(np.array([1.0, 2.0]), np.array([3.0, 6.0]), with_mean=True)
    assert np.array_equal(found.mean, [2.0, 4.0])
    assert statistics(np.array([1.0])).mean is None


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_numbers_that_are_none_are_refused_with_tensor_and_sample(bad: float):
    observer = Observer("conv1")
    observer.see(np.ones(3, np.float32))
    with pytest.raises(InputError, match="'conv1' is not finite on sample 1"):
        observer.see(np.array([1.0, bad], np.float32))


def test_the_smallest_and_the_greatest_floats_have_a_bin():
    found = statistics(np.array([1e-45, -1e-45]), np.array([3e38, -3e38]))
    assert found.counts.sum() == 4
