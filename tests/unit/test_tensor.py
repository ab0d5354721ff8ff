from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.errors import InputError
from edge_sdk.tensor import TensorSpec, checked_arrays

SPECS = (TensorSpec("a", "int8", (2, 3)), TensorSpec("b", "float32", (1,)))
A, B = np.zeros((2, 3), np.int8), np.zeros(1, np.float32)


def test_arrays_that_fit_come_back_contiguous() -> None:
    wide = np.arange(12, dtype=np.int8).reshape(2, 6)[:, ::2]
    first, second = checked_arrays("m", SPECS, (wide, B))
    assert first.flags.c_contiguous
    assert first.tolist() == wide.tolist()
    assert second is B


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((A,), "model 'm' takes 2 inputs, got 1"),
        ((A, [0.0]), r"model 'm', input 1 'b': expected float32 \[1\], got list"),
        ((A.astype(np.int16), B), r"input 0 'a': expected int8 \[2, 3\], got int16 \[2, 3\]"),
        ((A.T, B), r"got int8 \[3, 2\]"),
    ],
)
def test_those_that_do_not_are_named(arrays: tuple[object, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        checked_arrays("m", SPECS, arrays)
