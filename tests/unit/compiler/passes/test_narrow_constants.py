"""Constants are stored narrow only where not a bit is lost."""

from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.ops.op import KernelCall
from edge_sdk.compiler.passes.narrow_constants import LEAST_ELEMENTS, narrow_constants

RNG = np.random.default_rng(8)
WHOLE = RNG.integers(-128, 128, (4, LEAST_ELEMENTS // 4)).astype(np.float32)


def with_one(value: float) -> np.ndarray:
    array = WHOLE.copy()
    array[1, 3] = value
    return array


def stored(array: np.ndarray) -> KernelCall:
    call = KernelCall("node", "conv2d", "conv2d_f32", {}, {}, {}, {"filter": array})
    narrow_constants([call])
    return call


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (WHOLE, "int8"),
        (WHOLE.T, "int8"),
        (with_one(128), "float16"),
        (with_one(0.5), "float16"),
        (with_one(-0.0), "float16"),
        (with_one(2.0**-24), "float16"),
        (with_one(65504), "float16"),
    ],
)
def test_the_narrowest_type_that_holds_every_bit_is_taken(array: np.ndarray, dtype: str):
    value = stored(array).stored["filter"]
    assert (value.dtype, value.shape) == (dtype, array.shape)
    assert value.data.astype(np.float32).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        with_one(0.1),
        with_one(65536),
        with_one(2.0**-25),
        with_one(np.nan),
        with_one(np.inf),
        WHOLE.reshape(-1)[:-1],
        np.zeros(LEAST_ELEMENTS, np.float32),
        WHOLE.astype(np.int32),
    ],
)
def test_all_else_stays_as_it_is(array: np.ndarray):
    assert not stored(array).stored


def test_an_array_of_several_calls_is_stored_once():
    calls = [KernelCall(name, "conv2d", "conv2d_f32", {}, {}, {}, {"filter": WHOLE}) for name in "ab"]
    narrow_constants(calls)
    assert calls[0].stored["filter"] is calls[1].stored["filter"]
