from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_sdk.errors import InputError, ModelError, SandboxError, UnsupportedPlatformError, UsageError
from edge_sdk.runtime import provider
from edge_sdk.runtime.provider import NativeStatus
from edge_sdk.runtime.session import Session, open_session
from edge_sdk.tensor import TensorSpec
from tests.hostile.guests import (
    ADD,
    COUNT,
    DESCRIPTOR,
    MEMORY,
    PREPARE,
    A,
    add_descriptor,
    adder,
    call,
    data,
    infer,
    manifest,
    module,
)
from tests.support import REPOSITORY

VECTOR = np.arange(COUNT, dtype=np.float32)
HALF = np.full(COUNT, 0.5, np.float32)


@pytest.fixture(params=["host", "sandbox", "sandbox, no native library"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every way a model can be driven."""
    name, _, without = request.param.partition(",")
    if without:
        monkeypatch.setattr(provider, "native_status", lambda: NativeStatus(None, "switched off", "switched off"))
    return str(name)


@pytest.fixture
def model(engine: str) -> Iterator[Session]:
    with open_session(adder(), engine=engine) as session:
        yield session


def doubler(engine: str, **options: Any) -> Session:
    """One input, one output: a + b, where b is 0.5 everywhere and part of the module."""
    one = manifest(inputs=[manifest()["inputs"][0]])
    constants = data(A + 1024, HALF.tobytes())
    wasm = module(
        ADD,
        MEMORY,
        PREPARE,
        infer(call("add", DESCRIPTOR)),
        data(DESCRIPTOR, add_descriptor()),
        constants,
        manifest_=one,
    )
    return open_session(wasm, engine=engine, **options)


def test_results_are_right_and_fresh(model: Session) -> None:
    (first,) = model.run(VECTOR, HALF)
    (second,) = model.run(HALF, HALF)
    np.testing.assert_array_equal(first, VECTOR + 0.5)
    np.testing.assert_array_equal(second, HALF * 2)
    assert first.flags.owndata
    assert first.flags.writeable


def test_one_input_and_one_output_take_the_short_way(engine: str) -> None:
    with doubler(engine) as model:
        np.testing.assert_array_equal(model.run(VECTOR)[0], VECTOR + 0.5)


def test_the_session_tells_what_it_is(model: Session) -> None:
    assert model.inputs == (TensorSpec("a", "float32", (COUNT,)), TensorSpec("b", "float32", (COUNT,)))
    assert [spec.name for spec in model.outputs] == ["sum"]
    assert model.manifest["nodes"][0]["op"] == "ADD"
    assert model.source_sha256 == "ab" * 32
    assert str(model.engine).startswith(model.engine.name + " (")
    assert model.engine.threads == 1


@pytest.mark.parametrize("view", ["strided", "reversed", "read-only", "fortran"])
def test_any_strides_will_do(engine: str, view: str) -> None:
    x = {
        "strided": np.repeat(VECTOR, 2)[::2],
        "reversed": VECTOR[::-1],
        "read-only": np.frombuffer(VECTOR.tobytes(), np.float32),
        "fortran": np.asfortranarray(np.stack([VECTOR, HALF]))[0],
    }[view]
    with doubler(engine) as one, open_session(adder(), engine=engine) as two:
        np.testing.assert_array_equal(one.run(x)[0], x + 0.5)
        np.testing.assert_array_equal(two.run(x, x)[0], x + x)


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ((), "takes 2 inputs, got 0"),
        ((VECTOR,), "takes 2 inputs, got 1"),
        ((VECTOR, VECTOR, VECTOR), "takes 2 inputs, got 3"),
        ((VECTOR, VECTOR.astype(np.float64)), r"input 1 'b': expected float32 \[16\], got float64 \[16\]"),
        ((VECTOR.astype(">f4"), VECTOR), "input 0 'a': expected float32"),
        ((VECTOR[:-1], VECTOR), r"got float32 \[15\]"),
        ((VECTOR.reshape(1, -1), VECTOR), r"got float32 \[1, 16\]"),
        ((VECTOR.tolist(), VECTOR), "got list"),
        ((None, VECTOR), "got NoneType"),
    ],
)
def test_a_wrong_input_says_what_was_expected(model: Session, arrays: tuple[Any, ...], why: str) -> None:
    with pytest.raises(InputError, match=why):
        model.run(*arrays)


def test_a_wrong_input_of_the_short_way_says_the_same(engine: str) -> None:
    with doubler(engine) as model:
        for wrong in (VECTOR.astype(np.int8), VECTOR[:-1], VECTOR.tolist(), VECTOR.astype(">f4")):
            with pytest.raises(InputError, match="input 0 'a'"):
                model.run(wrong)


def test_a_closed_model_raises(engine: str) -> None:
    for model, arrays in ((doubler(engine), (VECTOR,)), (open_session(adder(), engine=engine), (VECTOR, VECTOR))):
        model.close()
        model.close()
        with pytest.raises(RuntimeError, match="closed"):
            model.run(*arrays)


def test_threads_on_one_model_take_turns(engine: str) -> None:
    model = doubler(engine)
    wrong: list[object] = []

    def work(value: int) -> None:
        x = np.full(COUNT, value, np.float32)
        try:
            results = [model.run(x)[0] for _ in range(300)]
            wrong.extend(result for result in results if not np.array_equal(result, x + 0.5))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_threads_share_the_reopening_after_a_trap(engine: str) -> None:
    # A negative first element traps; the others must never see the consequences.
    body = f"(if (f32.lt (f32.load (i32.const {A})) (f32.const 0)) (then unreachable)) {call('add', DESCRIPTOR)}"
    model = open_session(module(ADD, MEMORY, PREPARE, infer(body), data(DESCRIPTOR, add_descriptor())), engine=engine)
    outcomes: list[str] = []

    def outcome(x: np.ndarray) -> str:
        try:
            return "ok" if np.array_equal(model.run(x, x)[0], x + x) else "wrong"
        except Exception as error:
            return type(error).__name__ if x[0] < 0 else f"unexpected {error!r}"

    def work(value: int) -> None:
        x = np.full(COUNT, value, np.float32)
        outcomes.extend(outcome(x) for _ in range(20))

    threads = [threading.Thread(target=work, args=(value,)) for value in (-1, 2, -3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(set(outcomes)) == ["SandboxError", "ok"]
    assert outcomes.count("SandboxError") == outcomes.count("ok") == 40
    assert 1 <= model.restarts <= 40


def test_closing_while_another_thread_runs_is_safe(engine: str) -> None:
    model = doubler(engine)
    started = threading.Event()
    ended: list[str] = []

    def work() -> None:
        try:
            while True:
                model.run(VECTOR)
                started.set()
        except RuntimeError as error:
            ended.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    model.close()
    thread.join(30)
    assert len(ended) == 1
    assert "closed" in ended[0]


@pytest.mark.parametrize(
    "options",
    [{"threads": 0}, {"deadline_s": 0}, {"memory_mib": 0}, {"memory_mib": -1}, {"engine": "gpu"}, {"engine": "litert"}],
)
def test_an_argument_out_of_range_is_a_usage_error(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        open_session(adder(), **options)


def test_safe_traps_give_the_same_results_and_errors() -> None:
    for engine in ("host", "sandbox"):
        with open_session(adder(), engine=engine, safe_traps=True) as model:
            np.testing.assert_array_equal(model.run(VECTOR, HALF)[0], VECTOR + 0.5)


def test_host_and_sandbox_agree_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal(COUNT).astype(np.float32) for _ in range(2))
    results = [open_session(adder(), engine=engine).run(a, b)[0].tobytes() for engine in ("host", "sandbox")]
    assert results[0] == results[1]


def with_wrong_node(kernel: str, descriptor: int) -> bytes:
    """A module whose manifest says that its node calls `kernel` with the descriptor there."""
    node = {"name": "0", "op": "ADD", "kernel": kernel, "descriptors": [descriptor]}
    return module(
        ADD,
        MEMORY,
        PREPARE,
        infer(call("add", DESCRIPTOR)),
        data(DESCRIPTOR, add_descriptor()),
        manifest_=manifest(nodes=[node]),
    )


@pytest.mark.parametrize("engine", ["host", "sandbox"])
def test_each_kernel_call_is_timed_and_does_its_work(engine: str) -> None:
    with open_session(adder(), engine=engine) as model:
        model.run(VECTOR, HALF)
        took = model.time_nodes()
        assert len(took) == len(model.manifest["nodes"])
        assert all(0 < ns < 10**10 for ns in took)
        np.testing.assert_array_equal(model.run(HALF, HALF)[0], HALF * 2)


@pytest.mark.parametrize("engine", ["host", "sandbox"])
def test_a_manifest_that_lies_about_kernels_is_refused_when_they_are_timed(engine: str) -> None:
    lie = pytest.raises(ModelError, match="names 'conv2d_s8', which the module does not import")
    with open_session(with_wrong_node("conv2d_s8", DESCRIPTOR), engine=engine) as model, lie:
        model.time_nodes()
    with open_session(with_wrong_node("add_f32", DESCRIPTOR + 4), engine=engine) as model:
        with pytest.raises(SandboxError):
            model.time_nodes()
        model.run(VECTOR, HALF)
        with pytest.raises(SandboxError):  # the instance that the first one spoilt was replaced
            model.time_nodes()


def test_without_the_native_library_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "native_status", lambda: NativeStatus(None, "switched off", "switched off"))
    with open_session(adder(), engine="sandbox") as model, pytest.raises(UnsupportedPlatformError, match="no native"):
        model.time_nodes()


@pytest.mark.parametrize("native", ["0", "1"])
def test_a_fork_in_the_middle_of_a_run_is_told_in_the_child(native: str) -> None:
    code = """if True:
        import os, sys, threading, time
        import numpy as np
        from edge_sdk.errors import BusyError
        from edge_sdk.runtime.session import open_session
        from tests.hostile.guests import ADD, MEMORY, PREPARE, COUNT, infer, module
        x = np.ones(COUNT, np.float32)
        model = open_session(
            module(ADD, MEMORY, PREPARE, infer("(loop $l (br $l)) (i32.const 0)")), engine="sandbox", deadline_s=3
        )
        def work():
            try:
                model.run(x, x)
            except Exception as error:
                print(type(error).__name__)
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.5)  # there is no event inside an endless loop
        child = os.fork()
        if child == 0:
            try:
                model.run(x, x)
            except BusyError:
                os._exit(7)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        thread.join()
        sys.exit(os.waitstatus_to_exitcode(status))"""
    environment = os.environ | {"EDGE_SDK_NATIVE": native}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout == "DeadlineError\n"
