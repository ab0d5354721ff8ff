from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_sdk.errors import VerificationError
from firmware_tools.bundle.golden import agrees, digest, seeded_input
from firmware_tools.bundle.manifest import Golden


def test_the_bytes_of_a_seed_never_change() -> None:
    assert seeded_input("s", 0, "int8", (2, 3)).tolist() == [[-13, -46, -2], [43, 66, -12]]
    assert digest(seeded_input("s", 1, "float32", (64,)))[:16] == "a4fb3757493d49f7"


@pytest.mark.parametrize("dtype", ["bool", "float32", "int16", "int32", "int64", "int8", "uint8"])
def test_every_dtype_has_its_inputs(dtype: str) -> None:
    array = seeded_input("s", 0, dtype, (4, 500))
    assert (array.dtype, array.shape) == (np.dtype(dtype), (4, 500))
    assert len(np.unique(array)) > (1 if dtype == "bool" else 200)
    assert digest(array) == digest(seeded_input("s", 0, dtype, (4, 500)))
    assert digest(array) != digest(seeded_input("t", 0, dtype, (4, 500)))


def test_a_manifest_cannot_ask_for_endless_memory() -> None:
    with pytest.raises(VerificationError, match="too large"):
        seeded_input("s", 0, "int8", (1 << 31, 1 << 31))


def vector(compare: str) -> Golden:
    return Golden(model="m", seed="s", inputs=(), outputs=(), compare=compare)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("compare", "expected", "got", "same"),
    [
        ("exact", np.int8([1, 2]), np.int8([1, 2]), True),
        ("exact", np.int8([1, 2]), np.int8([1, 3]), False),
        ("close", np.int8([1, 2]), np.int8([1, 3]), True),
        ("close", np.uint8([0, 255]), np.uint8([2, 255]), False),
        ("close", np.float32([0, 1]), np.float32([0, 1.000005]), True),
        ("close", np.float32([0, 1]), np.float32([0, 1.0001]), False),
        ("close", np.float32([0, 1]), np.float32([0, np.nan]), False),
        ("close", np.float32([0, 1]), np.float32([[0, 1]]), False),
        ("exact", np.int8([1]), np.uint8([1]), False),
    ],
)
def test_answers_are_compared_as_the_vector_asks(compare: str, expected: Any, got: Any, same: bool) -> None:
    assert agrees(vector(compare), expected, got) is same
