from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.quantize.weights import bias_value, quantize_weights, real_weights


@pytest.mark.parametrize(("shape", "axis"), [((4, 3, 3, 2), 0), ((1, 3, 3, 6), 3), ((5, 7), 0)])
def test_each_channel_uses_all_its_steps_and_is_off_by_half_a_step_at_most(shape: tuple[int, ...], axis: int):
    weights = np.random.default_rng(3).normal(0, 1, shape).astype(np.float32)
    weights *= (10.0 ** np.arange(shape[axis])).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    steps, q = quantize_weights(weights, axis, 0.1, None)
    others = tuple(k for k in range(len(shape)) if k != axis)
    assert np.array_equal(np.abs(steps.astype(int)).max(axis=others), [127] * shape[axis])
    assert (q.axis, q.scales.size) == (axis, shape[axis])
    error = np.abs(real_weights(steps, q) - weights).max(axis=others)
    assert (error <= 0.5001 * q.scales).all()


def test_a_huge_bias_makes_weights_coarser_so_that_it_fits():
    steps, q = quantize_weights(np.full((1, 2), 1e-6), 0, 1e-3, np.array([1000.0]))
    value = bias_value("b", np.array([1000.0]), 1e-3, q)
    assert value.data[0] == pytest.approx(1 << 30, rel=1e-6)
    assert value.data[0] * 1e-3 * q.scales[0] == pytest.approx(1000.0, rel=1e-6)
    assert np.abs(steps).max() <= 127


def test_a_channel_of_zeros_has_a_scale_all_the_same():
    steps, q = quantize_weights(np.zeros((2, 3)), 0, 0.1, np.array([0.0, 0.0]))
    assert not steps.any()
    assert np.array_equal(q.scales, [1.0, 1.0])
