from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_sdk import abi
from edge_sdk.abi import ISAS
from edge_sdk.errors import SandboxError, UnsupportedPlatformError, UsageError, VerificationError
from edge_sdk.runtime.kernel_call import KernelCaller
from edge_sdk.runtime.native import load_library

N = 50


@pytest.fixture(params=["host", "sandbox", "ref"])
def kernels(request: pytest.FixtureRequest) -> Iterator[KernelCaller]:
    provider = "host" if request.param == "ref" else request.param
    with KernelCaller(provider, isa="ref" if request.param == "ref" else None) as caller:
        yield caller


def add(kernels: KernelCaller, a: np.ndarray, b: np.ndarray, **options: Any) -> np.ndarray:
    values = {"count": a.size, "a_count": a.size, "b_count": b.size, "act_min": -1e30, "act_max": 1e30}
    out = kernels.call(
        "add_f32", inputs={"a": a, "b": b}, outputs={"output": (a.shape, "float32")}, **(values | options)
    )
    return out["output"]


def vector(seed: int, size: int = N) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(size).astype(np.float32)


def test_a_plain_kernel_gives_fresh_arrays(kernels: KernelCaller) -> None:
    a, b = vector(1).reshape(5, 10), vector(2)
    out = add(kernels, a, b, guard=True)
    np.testing.assert_array_equal(out, a + b.reshape(5, 10))
    add(kernels, b, b)
    np.testing.assert_array_equal(out, a + b.reshape(5, 10))


def test_in_place_means_upon_another_field(kernels: KernelCaller) -> None:
    a, b = vector(1), vector(2)
    np.testing.assert_array_equal(add(kernels, a, b, offsets={"output": "a"}, guard=True), a + b)


def test_memory_grows_with_the_arrays(kernels: KernelCaller) -> None:
    small, large = vector(1), vector(2, 500_000)
    add(kernels, small, small)
    np.testing.assert_array_equal(add(kernels, large, large), large + large)
    np.testing.assert_array_equal(add(kernels, small, small), small + small)


def test_more_work_than_one_call_may_do_is_sliced(kernels: KernelCaller) -> None:
    size = abi.MAX_WORK // 16 + 1000
    x = vector(3, size)
    np.testing.assert_array_equal(add(kernels, x, x), x + x)
    with pytest.raises(SandboxError, match="more work"):
        add(kernels, x, x, begin=0, end=size)


def test_a_refusal_names_the_field(kernels: KernelCaller) -> None:
    a = vector(1)
    for lie, field in (({"version": 9}, "version"), ({"offsets": {"b": 1 << 30}}, "b"), ({"end": N + 1}, "end")):
        with pytest.raises(SandboxError, match=rf"edge_kernels\.add_f32: field `{field}`"):
            add(kernels, a, a, **lie)
    np.testing.assert_array_equal(add(kernels, a, a), a + a)


def dense(kernels: KernelCaller, x: np.ndarray, w: np.ndarray, **options: Any) -> np.ndarray:
    outputs = {"output": ((1, w.shape[0]), "float32")}
    values = {"batch": 1, "input_c": x.size, "output_c": w.shape[0], "act_min": -1e30, "act_max": 1e30}
    return kernels.call(
        "fully_connected_f32", inputs={"input": x, "filter": w}, outputs=outputs, guard=True, **(values | options)
    )["output"]


class Counting:
    """A provider that counts what is prepared."""

    def __init__(self, kernels: KernelCaller) -> None:
        self.count = 0
        self._prepare = kernels._provider.prepare
        kernels._provider.prepare = self  # type: ignore[method-assign]

    def __call__(self, kernel: Any, descriptor: int) -> int:
        self.count += 1
        return self._prepare(kernel, descriptor)


def test_weights_are_prepared_once_while_they_are_the_same_object(kernels: KernelCaller) -> None:
    prepared = Counting(kernels)
    w, other = vector(1, 7 * 5).reshape(7, 5), vector(2, 7 * 5).reshape(7, 5)
    for seed in range(3):
        x = vector(seed, 5)
        np.testing.assert_allclose(dense(kernels, x, w)[0], w @ x, rtol=1e-5, atol=1e-5)
    assert prepared.count == 1
    np.testing.assert_allclose(dense(kernels, x, other)[0], other @ x, rtol=1e-5, atol=1e-5)
    assert prepared.count == 2
    add(kernels, x, x)  # overwrites the memory the weights were in
    np.testing.assert_allclose(dense(kernels, x, other)[0], other @ x, rtol=1e-5, atol=1e-5)
    assert prepared.count == 3


def test_a_refused_prepare_is_not_remembered(kernels: KernelCaller) -> None:
    x, w = vector(1, 5), vector(2, 35).reshape(7, 5)
    with pytest.raises(SandboxError):
        dense(kernels, x, w, version=3)
    np.testing.assert_allclose(dense(kernels, x, w)[0], w @ x, rtol=1e-5, atol=1e-5)


def test_a_write_beside_the_output_is_noticed(kernels: KernelCaller) -> None:
    real = kernels._provider.call

    def careless(kernel: Any, descriptor: int) -> int:
        status = real(kernel, descriptor)
        memory = kernels._provider.memory(0)
        words = memory[descriptor : descriptor + kernel.descriptor_bytes].view(np.uint32)
        output = int(words[list(kernel.fields).index("output")])
        memory[output + 4 * N] ^= 1
        return status

    kernels._provider.call = careless  # type: ignore[method-assign]
    with pytest.raises(VerificationError, match="outside its 'output'"):
        add(kernels, vector(1), vector(2), guard=True)


def test_wrong_names_are_wrong_use(kernels: KernelCaller) -> None:
    with pytest.raises(ValueError, match="did you mean 'add_f32'"):
        kernels.call("add_f23", inputs={}, outputs={})
    with pytest.raises(ValueError, match="colour"):
        add(kernels, vector(1), vector(1), colour=1)


def test_numpy_numbers_are_numbers(kernels: KernelCaller) -> None:
    a = vector(1)
    np.testing.assert_array_equal(add(kernels, a, a, count=np.int64(N), act_max=np.float32(1e30)), a + a)


def test_a_closed_caller_raises() -> None:
    caller = KernelCaller()
    caller.close()
    caller.close()
    with pytest.raises(RuntimeError, match="closed"):
        add(caller, vector(1), vector(1))


@pytest.mark.parametrize(
    ("provider", "isa"), [("gpu", None), ("host", "wasm_simd128"), ("sandbox", "ref"), ("auto", "sse9")]
)
def test_a_provider_or_isa_that_is_not_there_is_a_usage_error(provider: str, isa: str | None) -> None:
    with pytest.raises(UsageError):
        KernelCaller(provider, isa=isa)


def test_an_isa_of_another_cpu_is_refused() -> None:
    library = load_library()
    foreign = [name for number, name in ISAS.items() if not library.lib.edge_isa_usable(number)]
    for isa in (name for name in foreign if not name.startswith("wasm_")):
        with pytest.raises(UnsupportedPlatformError, match=isa):
            KernelCaller("host", isa=isa)
