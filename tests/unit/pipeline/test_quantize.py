from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.pipeline.quantize import from_tensor, takes_real_numbers, to_tensor
from edge_sdk.tensor import TensorSpec

SPEC = TensorSpec("x", "int8", (1, 6), 0.5, -3)


def test_halves_go_away_from_zero_and_ends_saturate() -> None:
    values = np.array([0.25, -0.25, 0.75, -0.75, 1e9, -1e9], np.float32)
    assert to_tensor(values, SPEC).tolist() == [[-2, -4, -1, -5, 127, -128]]
    assert to_tensor(values, SPEC).dtype == np.int8


def test_nan_becomes_real_zero() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 0, 0, 0], np.float32)
    assert to_tensor(values, SPEC).tolist() == [[-3, 127, -128, -3, -3, -3]]
    assert np.isnan(values[0]), "the input is not changed"


def test_every_int8_survives_the_way_there_and_back() -> None:
    spec = TensorSpec("x", "int8", (256,), 0.0123, 7)
    codes = np.arange(-128, 128, dtype=np.int8)
    assert to_tensor(from_tensor(codes, spec), spec).tolist() == codes.tolist()


def test_float_tensors_are_only_reshaped() -> None:
    spec = TensorSpec("x", "float32", (1, 2, 1))
    assert to_tensor(np.array([1.5, -2], np.float32), spec).tolist() == [[[1.5], [-2.0]]]


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        (TensorSpec("x", "float32", (1,)), True),
        (TensorSpec("x", "uint8", (1,), 0.1), True),
        (TensorSpec("x", "int8", (1,)), False),
        (TensorSpec("x", "int32", (1,), 0.1), False),
    ],
)
def test_integers_without_a_scale_mean_no_real_number(spec: TensorSpec, *, known: bool) -> None:
    assert takes_real_numbers(spec) == known
