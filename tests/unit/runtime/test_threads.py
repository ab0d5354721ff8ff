"""Threads share a kernel's rows or columns: the results are the same bits for any number of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_sdk.errors import UsageError
from edge_sdk.runtime.kernel_call import KernelCaller
from edge_sdk.runtime.provider import native_status
from edge_sdk.runtime.session import open_session
from tests.hostile.guests import COUNT, adder
from tests.support import skip_loudly
from tests.unit.runtime.test_straight_line import forward

RANDOM = np.random.default_rng(7)


@pytest.fixture(scope="module", autouse=True)
def native() -> None:
    if native_status().reason:
        skip_loudly(f"host kernels cannot be used here: {native_status().reason}")


@pytest.fixture(params=[2, 3, 7])
def callers(request: pytest.FixtureRequest) -> Iterator[tuple[KernelCaller, KernelCaller]]:
    """One thread, and several."""
    with KernelCaller("host") as one, KernelCaller("host", threads=request.param) as several:
        yield one, several


def int8s(*shape: int) -> np.ndarray:
    return RANDOM.integers(-128, 128, shape).astype(np.int8)


def scales(n: int) -> dict[str, np.ndarray]:
    return {"multiplier": RANDOM.integers(2**30, 2**31, n).astype(np.int32), "shift": np.full(n, -8, np.int32)}


def conv(size: int, c: int, n: int, taps: int) -> dict[str, Any]:
    """A convolution with padding SAME."""
    pad = taps // 2
    return {
        "inputs": {"input": int8s(size, size, c), "filter": int8s(n, taps, taps, c), **scales(n)},
        "outputs": {"output": ((size, size, n), "int8")},
        "batch": 1, "input_h": size, "input_w": size, "input_c": c, "output_h": size, "output_w": size, "output_c": n,
        "filter_h": taps, "filter_w": taps, "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1,
        "pad_top": pad, "pad_left": pad, "input_zero_point": 3, "act_min": -128, "act_max": 127,
    }  # fmt: skip


def depthwise(size: int, c: int) -> dict[str, Any]:
    call = conv(size, 1, c, 3)
    call["inputs"] |= {"input": int8s(size, size, c), "filter": int8s(3, 3, c)}
    return call | {"input_c": c}


def dense(k: int, n: int) -> dict[str, Any]:
    return {
        "inputs": {"input": int8s(1, k), "filter": int8s(n, k), "scale": np.full(n, 0.002)},
        "outputs": {"output": ((1, n), "int8")},
        "batch": 1, "input_c": k, "output_c": n, "act_min": -128, "act_max": 127,
    }  # fmt: skip


def addition(count: int) -> dict[str, Any]:
    return {
        "inputs": {"a": int8s(count), "b": int8s(count)},
        "outputs": {"output": ((count,), "int8")},
        "count": count, "a_count": count, "b_count": count, "a_multiplier": 2**30, "b_multiplier": 2**30 + 5,
        "multiplier": 2**30 + 9, "shift": -18, "act_min": -128, "act_max": 127,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kernel", "call"),
    [
        pytest.param("conv2d_s8", conv(40, 8, 24, 3), id="conv2d, by rows"),
        pytest.param("conv2d_s8", conv(3, 64, 200, 3), id="conv2d, by columns"),
        pytest.param("depthwise_conv2d_s8", depthwise(50, 40), id="depthwise_conv2d"),
        pytest.param("fully_connected_s8", dense(900, 333), id="fully_connected"),
        pytest.param("add_s8", addition(70_001), id="add"),
    ],
)
def test_any_number_of_threads_gives_the_same_bits(
    kernel: str, call: dict[str, Any], callers: tuple[KernelCaller, KernelCaller]
) -> None:
    expected = callers[0].call(kernel, **call)["output"]
    assert len(np.unique(expected)) > 10
    for _ in range(20):
        np.testing.assert_array_equal(callers[1].call(kernel, **call)["output"], expected)


def test_a_model_says_how_many_threads_compute() -> None:
    cpus = len(os.sched_getaffinity(0))
    with open_session(adder(), engine="host", threads=500) as model:
        assert model.engine.threads == min(64, cpus)
    with open_session(adder(), engine="sandbox", threads=2) as model:
        assert model.engine.threads == 1
    with pytest.raises(UsageError, match="threads is 0"):
        open_session(adder(), threads=0)


def test_the_child_of_a_fork_computes_alone() -> None:
    x = np.ones(COUNT, np.float32)
    with open_session(forward(5), engine="host", threads=2) as model:
        model.run(x, x)
        child = os.fork()
        if child == 0:
            model.run(x, x)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        model.run(x, x)
