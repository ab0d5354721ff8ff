from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest
import wasmtime

from edge_sdk.errors import UnsupportedPlatformError
from edge_sdk.runtime import sandbox
from edge_sdk.runtime.engine import engine_for, sandbox_spec
from edge_sdk.runtime.sandbox import (
    FILES,
    Adapter,
    best_isa,
    kernels_for,
    kernels_wasm,
    madd_is_fused,
    relaxed_dot_is_exact,
)
from edge_sdk.runtime.session import open_session
from tests.hostile.guests import COUNT, adder

SPEC = sandbox_spec(65536)


def test_a_kernel_called_before_it_is_connected_traps() -> None:
    store = wasmtime.Store(engine_for(SPEC))
    store.set_epoch_deadline(1000)
    adapter = Adapter(store, kernels_for(SPEC))
    with wasmtime.Linker(store.engine) as linker:
        adapter.define_kernels(linker, [])
    with pytest.raises(wasmtime.Trap, match="uninitialized element"):
        adapter._exports["add_f32"](store, 65536)


def test_the_kernels_import_only_the_memory() -> None:
    for name in FILES.values():
        module = wasmtime.Module(wasmtime.Engine(), kernels_wasm(name))
        assert [(item.module, item.name) for item in module.imports] == [("env", "memory")]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 is where it saturates")
def test_the_relaxed_dot_is_not_exact_on_x86() -> None:
    assert not relaxed_dot_is_exact(SPEC)
    assert kernels_for(SPEC).isa == ("wasm_fma" if madd_is_fused(SPEC) else "wasm_simd128")


def test_without_a_fused_multiply_add_the_plain_kernels_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "relaxed_dot_is_exact", lambda spec: False)
    monkeypatch.setattr(sandbox, "madd_is_fused", lambda spec: False)
    assert best_isa(SPEC) == "wasm_simd128"


@pytest.mark.skipif("fma" not in Path("/proc/cpuinfo").read_text(), reason="this CPU has no FMA, or is not x86-64")
def test_the_multiply_add_is_fused_on_a_cpu_that_has_one() -> None:
    assert madd_is_fused(SPEC)


def test_the_relaxed_dot_is_exact_where_the_engine_is_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    config = wasmtime.Config()
    config.wasm_relaxed_simd_deterministic = True
    config.epoch_interruption = True
    engine = wasmtime.Engine(config)
    monkeypatch.setattr(sandbox, "engine_for", lambda spec: engine)
    monkeypatch.setattr(sandbox, "compiled", lambda spec, wasm: wasmtime.Module(engine, wasm))
    assert relaxed_dot_is_exact.__wrapped__(SPEC)


def test_kernels_that_were_not_installed_are_a_clear_refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox, "files", lambda package: tmp_path)
    with pytest.raises(UnsupportedPlatformError, match=r"without kernels\.wasm"):
        kernels_wasm("kernels.wasm")


def test_relaxed_kernels_are_taken_where_they_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "relaxed_dot_is_exact", lambda spec: True)
    monkeypatch.setattr("edge_sdk.runtime.provider.kernels_for", kernels_for.__wrapped__)
    x = np.ones(COUNT, np.float32)
    with open_session(adder(), engine="sandbox") as model:
        assert model.engine.isa == "wasm_relaxed"
        np.testing.assert_array_equal(model.run(x, x)[0], x + x)
