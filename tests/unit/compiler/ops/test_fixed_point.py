from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.compiler.ops.fixed_point import (
    FLOAT32_MAX,
    float_range,
    mean_multiplier,
    quantize_multiplier,
    quantize_multipliers,
    quantized_range,
    round_half_away,
    round_half_away_array,
)
from edge_sdk.errors import ModelError


@given(st.floats(min_value=1e-8, max_value=2.0**29))
def test_multiplier_and_shift_are_the_factor_to_31_bits(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 1 << 30 <= multiplier < 1 << 31
    assert math.isclose(multiplier * 2.0 ** (shift - 31), real, rel_tol=2.0**-31)


def test_powers_of_two_are_exact() -> None:
    assert quantize_multiplier(1.0) == (1 << 30, 1)
    assert quantize_multiplier(0.5) == (1 << 30, 0)


def test_a_mantissa_that_rounds_up_to_one_is_carried_into_the_shift() -> None:
    assert quantize_multiplier(math.nextafter(1.0, 0.0)) == (1 << 30, 1)


def test_zero_and_vanishing_factors_become_zero() -> None:
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-33) == (0, 0)
    assert quantize_multiplier(2.0**-32) == (1 << 30, -31)


def test_a_factor_of_two_to_the_30_is_refused() -> None:
    assert quantize_multiplier(2.0**30 * 0.75)[1] == 30
    with pytest.raises(ModelError, match="scales"):
        quantize_multiplier(2.0**30)


def test_channels_are_worked_out_as_single_factors_are() -> None:
    real = np.random.default_rng(1).uniform(1e-6, 4, 500)
    multipliers, shifts = quantize_multipliers(real)
    assert [*zip(multipliers.tolist(), shifts.tolist(), strict=True)] == [quantize_multiplier(x) for x in real]


@given(st.floats(min_value=0.02, max_value=1e3), st.integers(1, 1 << 23))
def test_mean_multiplier_is_the_factor_divided_by_the_count(real: float, count: int) -> None:
    multiplier, shift = mean_multiplier(real, count)
    assert 0 <= multiplier < 1 << 31
    assert math.isclose(multiplier * 2.0 ** (shift - 31), real / count, rel_tol=2.0**-28)


def test_rounding_takes_halves_away_from_zero() -> None:
    assert [round_half_away(x) for x in (-1.5, -0.5, -0.49, 0.49, 0.5, 1.5, 2.5)] == [-2, -1, 0, 0, 1, 2, 3]
    x = np.array([-1.5, -0.5, 0.0, 0.5, 2.5], np.float32)
    assert round_half_away_array(x).tolist() == [-2, -1, 0, 1, 3]
    assert round_half_away_array(x).dtype == np.float32


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "expected"),
    [
        ("none", 0.1, 5, (-128, 127)),
        ("relu", 0.1, 5, (5, 127)),
        ("relu", 0.1, -128, (-128, 127)),
        ("relu6", 0.1, -128, (-128, -68)),
        ("relu6", 0.01, -128, (-128, 127)),
        ("relu_n1_to_1", 0.1, 0, (-10, 10)),
        ("relu_n1_to_1", 0.001, 0, (-128, 127)),
    ],
)
def test_activation_is_a_range_of_steps(
    activation: str, scale: float, zero_point: int, expected: tuple[int, int]
) -> None:
    assert quantized_range(activation, scale, zero_point) == expected


def test_the_activation_range_divides_in_float32() -> None:
    # The scale next to 4/3: 6 / scale is just above 4.5 in float64 and rounds to it in float32's neighbourhood.
    for scale in np.linspace(0.02, 1.5, 400, dtype=np.float32):
        expected = min(127, -128 + round_half_away(float(np.float32(6) / scale)))
        assert quantized_range("relu6", float(scale), -128) == (-128, expected)


def test_float_range_is_finite() -> None:
    assert float_range("none") == (-FLOAT32_MAX, FLOAT32_MAX)
    assert float_range("relu6") == (0.0, 6.0)


@pytest.mark.parametrize("ratio", [np.inf, np.nan])
def test_a_ratio_that_is_no_number_is_refused(ratio: float) -> None:
    with pytest.raises(ModelError, match="no number"):
        quantize_multipliers(np.array([0.5, ratio]))


def test_a_scale_so_small_that_six_takes_infinitely_many_steps_clamps_at_the_end_of_the_range() -> None:
    assert quantized_range("relu6", 1e-42, 3) == (3, 127)
    assert quantized_range("relu_n1_to_1", 1e-42, 3) == (-128, 127)
