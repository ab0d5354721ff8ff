"""Models that make other runtimes crash, and damaged ones: whoever asked lives on and gets an error of ours."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable

import numpy as np
import pytest

from edge_sdk.engines import FOREIGN
from edge_sdk.errors import EdgeError, EngineFaultError, ModelError
from edge_sdk.foreign import restarts
from edge_sdk.foreign.session import ForeignSession, open_foreign
from tests.foreign_runtimes import use_runtime
from tests.support import require_shared
from tests.unit.compiler.tflite_writer import TfliteWriter

MOST_MIB = 64
#: Damaged copies of real models a run of the tests tries on each runtime.
CASES = int(os.environ.get("FUZZ_FOREIGN", "12"))
KILLS = int(os.environ.get("FUZZ_KILLS", "12"))
MODELS = ("hello_world_int8", "keyword_scrambled", "kws_int8")


@pytest.fixture(params=sorted(FOREIGN))
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    use_runtime(name, monkeypatch)
    return name


def output_is_a_constant() -> bytes:
    """RELU writes into a constant: into the mapped file, which cannot be written."""
    model = TfliteWriter()
    x, y = model.tensor("x", (1, 64), "float32"), model.constant("y", np.ones((1, 64), np.float32))
    model.operator("RELU", [x], [y])
    return model.finish([x], [y])


def splits_into_none() -> bytes:
    """SPLIT without options; built-in kernels refuse it, XNNPACK follows a null pointer."""
    model = TfliteWriter()
    axis, x, y = (model.tensor(name, shape, "float32") for name, shape in (("a", (1,)), ("x", (4,)), ("y", (1,))))
    model.operator("SPLIT", [axis, x], [y])
    return model.finish([axis, x], [y])


def copies(most: int) -> bytes:
    """TILE makes `most` copies."""
    model = TfliteWriter()
    x, y = model.tensor("x", (1,), "float32"), model.tensor("y", (1,), "float32")
    model.operator("TILE", [x, model.constant("n", np.array([most], np.int32))], [y])
    return model.finish([x], [y])


def tried(data: bytes, engine: str, delegate: str = "none") -> None:
    """Load a model and run it once."""
    with open_foreign(data, FOREIGN[engine], delegate=delegate, deadline_s=20, memory_mib=MOST_MIB) as session:
        session.run(*(np.zeros(spec.shape, spec.dtype) for spec in session.inputs))


@pytest.mark.parametrize(
    ("engine_name", "make", "delegate", "words"),
    [
        ("litert", output_is_a_constant, "none", "its process died of SIGSEGV"),
        ("litert", splits_into_none, "xnnpack", "died while it loaded the model: its process died of SIGSEGV"),
        ("tflite_runtime", output_is_a_constant, "none", "its process died of SIGSEGV"),
    ],
)
def test_a_model_that_crashes_its_runtime_is_an_error(
    engine_name: str, make: Callable[[], bytes], delegate: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_runtime(engine_name, monkeypatch)
    with pytest.raises(EngineFaultError, match=words):
        tried(make(), engine_name, delegate)


def test_a_model_that_wants_too_much_memory_is_an_error(engine: str) -> None:
    tried(copies(MOST_MIB << 16), engine)  # a quarter of what it may have
    with pytest.raises((EngineFaultError, ModelError)):
        tried(copies(1 << 28), engine)


def asked(session: ForeignSession, x: np.ndarray, y: np.ndarray) -> str:
    """Run a model: "right", "wrong", or what the error says."""
    try:
        return "right" if np.array_equal(session.run(x)[0], y) else "wrong"
    except EdgeError as error:
        return error.message


def test_a_kill_at_any_moment_costs_calls_and_never_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    use_runtime("litert", monkeypatch)
    monkeypatch.setattr(restarts, "FIRST_PAUSE_S", 0.0)
    models, rng = require_shared(), random.Random(KILLS)
    x, y = (np.load(models / kind / "kws_int8.0.npy") for kind in ("inputs", "expected"))
    data, failed = (models / "kws_int8.tflite").read_bytes(), 0
    handles = len(os.listdir("/proc/self/fd"))
    with open_foreign(data, FOREIGN["litert"], delegate="reference", deadline_s=60) as session:
        for _ in range(KILLS):
            while not session.pid:  # 0 would mean ourselves
                asked(session, x, y)
            pid, delay_s = session.pid, rng.choice((0.0, 0.0005, 0.002, 0.3))
            killer = threading.Timer(delay_s, os.kill, (pid, signal.SIGKILL))
            killer.start()
            while session.pid == pid:
                words = asked(session, x, y)
                assert words == "right" or "died of SIGKILL" in words
                failed += words != "right"
            killer.join()
        while session.pid == 0 or session.restarts < KILLS:
            session.run(x)
        assert np.array_equal(session.run(x)[0], y)
        assert (session.restarts, failed) == (KILLS, KILLS)
    assert len(os.listdir("/proc/self/fd")) == handles


def test_damaged_models_are_errors_and_leave_nothing_behind(engine: str) -> None:
    models, outcomes = require_shared(), []
    handles = len(os.listdir("/proc/self/fd"))
    for seed in range(CASES):
        rng = random.Random(seed)
        data = bytearray((models / f"{rng.choice(MODELS)}.tflite").read_bytes())
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(len(data))] = rng.choice((0, 127, 128, 255))
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        try:
            tried(bytes(data), engine)
            outcomes.append("ran")
        except EdgeError as error:
            outcomes.append(type(error).__name__)
    assert len(outcomes) == CASES
    assert len(set(outcomes)) > 1  # some were too damaged, and some were not
    assert len(os.listdir("/proc/self/fd")) == handles
