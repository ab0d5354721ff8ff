from __future__ import annotations

import numpy as np

from edge_sdk.bench.inputs import random_inputs
from edge_sdk.tensor import TensorSpec

SPECS = [TensorSpec("a", "int8", (64, 64)), TensorSpec("b", "float32", (1, 300)), TensorSpec("c", "uint8", (5000,))]


def test_arrays_have_the_shape_and_dtype_of_the_specs() -> None:
    arrays = random_inputs(SPECS)
    assert [(array.shape, str(array.dtype)) for array in arrays] == [(spec.shape, spec.dtype) for spec in SPECS]


def test_integers_use_their_whole_range() -> None:
    a, _, c = random_inputs(SPECS)
    assert (a.min(), a.max(), c.min(), c.max()) == (-128, 127, 0, 255)


def test_the_same_seed_gives_the_same_numbers_and_another_one_does_not() -> None:
    first, again, other = random_inputs(SPECS), random_inputs(SPECS), random_inputs(SPECS, seed=1)
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert not any(np.array_equal(x, y) for x, y in zip(first, other, strict=True))
