from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from edge_sdk.errors import UnsupportedPlatformError, UsageError
from edge_sdk.runtime import provider
from edge_sdk.runtime.native import Library, NativeUnavailableError, load_library
from edge_sdk.runtime.provider import EngineInfo, NativeStatus, native_status
from edge_sdk.runtime.session import open_session
from tests.hostile.guests import MEMORY, PREPARE, adder, infer, manifest, module
from tests.support import REPOSITORY


@pytest.fixture
def no_native(monkeypatch: pytest.MonkeyPatch) -> None:
    provider._warn_fallback.cache_clear()
    monkeypatch.setattr(provider, "native_status", lambda: NativeStatus(None, "it rains", "it rains"))


def standalone() -> bytes:
    return module(MEMORY, PREPARE, infer("(i32.const 0)"), manifest_=manifest(form="standalone"))


def test_native_kernels_are_the_choice_where_they_work() -> None:
    assert native_status().self_test == "passed"
    assert open_session(adder()).engine.name == "host"


def test_auto_falls_back_once_and_loudly(no_native: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="edge_sdk"):
        for _ in range(3):
            assert open_session(adder()).engine.reason == "it rains"
    (record,) = [r for r in caplog.records if r.name == "edge_sdk"]
    assert "it rains" in record.getMessage()
    assert "doctor" in record.getMessage()


def test_the_sandbox_asked_for_is_not_warned_about(no_native: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="edge_sdk"):
        open_session(adder(), engine="sandbox")
    assert [r for r in caplog.records if r.name == "edge_sdk"] == []


def test_the_host_asked_for_is_refused_with_the_reason(no_native: None) -> None:
    with pytest.raises(UnsupportedPlatformError, match="it rains") as caught:
        open_session(adder(), engine="host")
    assert "sandbox" in caught.value.hint
    assert caught.value.exit_code == 5


def test_a_standalone_module_runs_in_the_sandbox(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="edge_sdk"):
        assert open_session(standalone()).engine.name == "sandbox"
    assert [r for r in caplog.records if r.name == "edge_sdk"] == []
    with pytest.raises(UsageError, match="standalone"):
        open_session(standalone(), engine="host")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("litert", "runs .tflite files in a runtime of its own"),
        ("onnxruntime", "not in this version"),
        ("sandbx", "did you mean 'sandbox'"),
        ("", "unknown"),
    ],
)
def test_an_engine_that_is_not_there_is_a_usage_error(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        open_session(adder(), engine=name)


def test_engine_info_reads_as_people_say_it() -> None:
    assert str(EngineInfo("host", "avx2", "why")) == "host (avx2)"


def test_a_cpu_without_simd_is_named() -> None:
    library = load_library()
    assert (
        "no AVX2" in Library(library.ffi, library.lib, 0).host_reason
        or "no NEON" in Library(library.ffi, library.lib, 0).host_reason
    )


def test_a_native_library_that_fails_its_self_test_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(library: Library) -> None:
        raise NativeUnavailableError("self-test, sum: wrong")

    monkeypatch.setattr(provider, "prove", fail)
    status = native_status.__wrapped__()
    assert status.library is None
    assert "wrong" in status.reason


def test_a_missing_native_library_is_a_reason_not_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edge_sdk.runtime._native", None)
    status = native_status.__wrapped__()
    assert status.library is None
    assert "cannot be loaded" in status.reason


def test_the_switch_turns_the_native_library_off() -> None:
    code = "from edge_sdk.runtime.provider import native_status; print(native_status().reason)"
    environment = os.environ | {"EDGE_SDK_NATIVE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert "EDGE_SDK_NATIVE=0" in done.stdout


def test_a_32_bit_python_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "maxsize", (1 << 31) - 1)
    with pytest.raises(NativeUnavailableError, match="32-bit"):
        load_library()


def test_without_wasmtime_the_refusal_says_what_is_needed() -> None:
    code = """if True:
        import sys
        sys.modules["wasmtime"] = None
        import edge_sdk
        try:
            edge_sdk.load("x.wasm")
        except edge_sdk.EdgeError as error:
            print(type(error).__name__, error, error.hint)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("UnsupportedPlatformError Wasmtime cannot be loaded")
    assert "64-bit" in done.stdout
