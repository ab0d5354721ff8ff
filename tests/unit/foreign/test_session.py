from __future__ import annotations

import gc
import hashlib
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.errors import (
    DeadlineError,
    EdgeError,
    EngineFaultError,
    InputError,
    MissingExtraError,
    ModelError,
    SandboxError,
    TargetNotFoundError,
    UnsupportedPlatformError,
    UsageError,
)
from edge_sdk.foreign.session import open_foreign
from edge_sdk.tensor import TensorSpec
from tests.unit.foreign.fakes import FAKE, Open, X, model


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_it_is_used_like_any_model(opened: Open) -> None:
    with opened(name="twice") as session:
        assert session.inputs == (TensorSpec("x", "float32", (1, 4), 0.5, 3),)
        assert session.outputs == (TensorSpec("y", "float32", (1, 4), 0.5, 3),)
        (y,) = session.run(X)
        assert y.tolist() == [[2, 4, 6, 8]]
        assert str(session.engine) == "fake 1.5 (XNNPACK) in a child process"
        assert session.source_sha256 == hashlib.sha256(model()).hexdigest()
        assert repr(session) == "<model 'twice' on fake 1.5 (XNNPACK) in a child process>"
    with pytest.raises(RuntimeError, match="model 'twice' is closed"):
        session.run(X)
    session.close()


def test_after_a_reset_a_model_that_keeps_state_begins_anew_in_the_same_process(opened: Open) -> None:
    session = opened(run="count")
    assert session.keeps_state
    assert [session.run(X)[0][0, 0] for _ in range(3)] == [2, 3, 4]
    pid = session.pid
    session.reset()
    assert [session.run(X)[0][0, 0] for _ in range(2)] == [2, 3]
    assert (session.pid, session.restarts) == (pid, 0)
    session.close()
    with pytest.raises(RuntimeError, match="is closed"):
        session.reset()


def test_a_model_that_keeps_nothing_has_nothing_to_reset(opened: Open) -> None:
    session = opened(load="")
    assert not session.keeps_state
    session.reset()
    assert session.run(X)[0][0, 0] == 2


def test_strides_do_not_matter_and_answers_are_fresh(opened: Open) -> None:
    session = opened()
    wide = np.repeat(X, 2, axis=1)
    (first,) = session.run(wide[:, ::2])
    (second,) = session.run(X)
    assert first.tolist() == second.tolist()
    first[:] = 0
    assert second.tolist() == [[2, 4, 6, 8]]


def test_an_input_that_does_not_fit_never_reaches_the_child(opened: Open) -> None:
    session = opened()
    for arrays in ((), (X, X), (X.astype(np.float64),), (X[0],), ([1, 2, 3, 4],)):
        with pytest.raises(InputError):
            session.run(*arrays)
    assert (session.run(X)[0].sum(), session.restarts) == (20, 0)


def test_calls_from_many_threads_run_one_after_another(opened: Open) -> None:
    session, found = opened(), {}

    def ask(k: int) -> None:
        found[k] = [session.run(X * k)[0].tolist() for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: [(X * k * 2).tolist()] * 20 for k in range(4)}


def test_a_model_keeps_its_state_until_its_process_is_restarted(opened: Open) -> None:
    session = opened(run="count")
    assert [session.run(X)[0][0, 0] for _ in range(3)] == [2, 3, 4]
    kill(session.pid)
    with pytest.raises(EngineFaultError, match="died of SIGKILL"):
        session.run(X)
    assert session.run(X)[0][0, 0] == 2


def test_a_shape_that_depends_on_the_data_comes_as_it_is(opened: Open) -> None:
    session = opened(run="grow")
    assert session.run(X * 5)[0].tolist() == [0, 1, 2, 3, 4]
    assert session.run(X * 0)[0].shape == (0,)


@pytest.mark.parametrize(
    ("delegate", "words"),
    [
        ("xnnpack", "XNNPACK"),
        ("none", "built-in kernels"),
        ("reference", "reference kernels"),
        ("libvendor.so.1", "libvendor.so.1"),
    ],
)
def test_what_computes_is_chosen_and_visible(opened: Open, delegate: str, words: str) -> None:
    assert str(opened(delegate=delegate).engine) == f"fake 1.5 ({words}) in a child process"


def test_a_delegate_is_found_beside_the_caller_although_the_child_is_elsewhere(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib.so").touch()
    monkeypatch.chdir(tmp_path)
    assert opened(delegate="./lib.so").engine.isa == "lib.so"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"delegate": "xnpack"}, UsageError, "unknown delegate 'xnpack'; did you mean 'xnnpack'"),
        ({"delegate": "/none/lib.so"}, TargetNotFoundError, "delegate /none/lib.so: no such file"),
        ({"delegate_options": {"a": "b"}}, UsageError, "delegate 'xnnpack' takes no options"),
        (
            {"delegate": "libv.so", "delegate_options": {"device": "absent"}},
            UnsupportedPlatformError,
            "delegate libv.so: no such device",
        ),
        ({"threads": 0}, UsageError, "threads is 0"),
        ({"deadline_s": 0}, UsageError, "deadline_s is 0"),
        ({"deadline_s": float("nan")}, UsageError, "deadline_s is nan"),
        ({"memory_mib": 0}, UsageError, "memory_mib is 0"),
        ({"memory_mib": float("nan")}, UsageError, "memory_mib is nan"),
        ({"load": "refuse"}, ModelError, r"model: fake: Encountered unresolved custom op: \\x1b\[31mFoo"),
        ({"load": "segfault"}, EngineFaultError, "died while it loaded the model: its process died of SIGSEGV"),
        ({"load": "abort"}, EngineFaultError, "died of SIGABRT; it said: terminate called"),
        ({"load": "exit"}, EngineFaultError, "its process ended with exit code 3"),
        ({"load": "eat"}, EngineFaultError, "it needs more memory than memory_mib = 256"),
        ({"load": "garbage"}, EngineFaultError, "sent nonsense: a message of 4,294,967,295 bytes"),
        ({"load": "short garbage"}, EngineFaultError, "sent nonsense: "),
        ({"input": {"shape": [1, 0]}}, ModelError, r"input 'x' has no fixed shape: \[1, 0\]"),
        ({"input": {"shape": [1, -1]}}, EngineFaultError, "sent nonsense"),
        ({"input": {"shape": [2147483647, 2147483647]}}, ModelError, "input 'x' is larger than the memory"),
        ({"output": {"shape": [2147483647]}}, ModelError, "output 'y' is larger than the memory"),
        ({"output": {"dtype": "complex64"}}, ModelError, "output 'y' is complex64, which cannot be handed over"),
    ],
)
def test_what_cannot_be_opened_says_why(
    opened: Open, options: dict[str, Any], error: type[EdgeError], words: str
) -> None:
    with pytest.raises(error, match=words):
        opened(**options)


def test_an_empty_file_is_no_model(fake_runtime: None) -> None:
    with pytest.raises(ModelError, match="the file is empty"):
        open_foreign(b"", FAKE)


@pytest.mark.parametrize(
    ("verb", "error", "words", "restarts"),
    [
        ("segfault", EngineFaultError, "its process died of SIGSEGV", 1),
        ("abort", EngineFaultError, "SIGABRT; it said: terminate called", 1),
        ("exit", EngineFaultError, "ended with exit code 3", 1),
        ("kill", EngineFaultError, "died of SIGKILL", 1),
        ("refuse", EngineFaultError, "unresolved custom op", 0),
        ("eat", EngineFaultError, "it needs more memory than memory_mib = 64", 0),
        ("garbage", EngineFaultError, "sent nonsense: a message of", 1),
        ("short garbage", EngineFaultError, "sent nonsense: ", 1),
        ("many outputs", EngineFaultError, "9 outputs where 1 were promised", 1),
        ("huge output", EngineFaultError, "an output of ", 1),
        ("other answer", EngineFaultError, "Opened where Done was expected", 1),
        ("other dtype", EngineFaultError, "'float64' where float32 was promised", 1),
    ],
)
def test_a_run_that_fails_is_an_error_of_that_run(
    opened: Open, verb: str, error: type[EdgeError], words: str, restarts: int
) -> None:
    session = opened(run=verb, memory_mib=64)
    with pytest.raises(error, match=words) as caught:
        session.run(X)
    assert isinstance(caught.value, SandboxError)
    assert caught.value.exit_code == 5
    assert session.restarts == restarts


@pytest.mark.parametrize("verb", ["hang", "hang natively"])
def test_a_run_that_hangs_is_killed_at_its_deadline(opened: Open, verb: str) -> None:
    session = opened(run=verb, deadline_s=0.3)
    before, began_s = session.pid, time.monotonic()
    with pytest.raises(DeadlineError, match=r"fake took longer than the deadline of 0.3 s; it was killed"):
        session.run(X)
    assert time.monotonic() - began_s < 3
    assert not Path(f"/proc/{before}").exists()
    assert session.restarts == 1
    assert session.pid != before


def test_a_run_waits_for_a_restart_no_longer_than_its_deadline(opened: Open) -> None:
    session = opened(load="slow", deadline_s=0.5)
    kill(session.pid)
    with pytest.raises(EngineFaultError, match="SIGKILL"):
        session.run(X)
    with pytest.raises(DeadlineError, match="is still being started again"):
        session.run(X)
    assert session.restarts == 1
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        try:
            assert session.run(X)[0].sum() == 20
            break
        except DeadlineError:
            continue
    assert session.restarts == 1


def test_a_loop_of_deaths_does_not_spin(opened: Open) -> None:
    session = opened(run="exit")
    faults, began_s = [], time.monotonic()
    while time.monotonic() - began_s < 2 or len(faults) < 10:
        with pytest.raises(EngineFaultError) as caught:
            session.run(X)
        faults.append(caught.value.message)
    # Pauses of 0, 0.25, 0.5, 1 and 2 s: more starts do not fit in.
    assert 2 <= session.restarts <= 5
    assert any("times in a row; it is started again in" in fault for fault in faults)


@pytest.mark.parametrize("verb", ["flood", "flood for ever"])
def test_a_flood_of_words_neither_blocks_nor_fills_anything(
    opened: Open, capfd: pytest.CaptureFixture[str], verb: str
) -> None:
    session = opened(run=verb)
    for _ in range(3):
        assert session.run(X)[0].sum() == 20
    assert capfd.readouterr() == ("", "")
    assert session.restarts == 0


def test_a_model_that_is_another_after_a_restart_is_a_fault(opened: Open) -> None:
    session = opened(fickle=True)
    kill(session.pid)
    with pytest.raises(EngineFaultError, match="SIGKILL"):
        session.run(X)
    with pytest.raises(EngineFaultError, match="describes the model otherwise than before"):
        session.run(X)


def test_an_interrupted_run_leaves_no_answer_for_the_next(opened: Open) -> None:
    session = opened(run="hang")

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            session.run(X)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert session.pid == 0


def test_a_fork_gets_a_process_of_its_own(opened: Open) -> None:
    session = opened(run="count")
    session.run(X)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write_end, f"{session.run(X)[0][0, 0]:.0f} {session.pid}".encode())
        finally:
            session.close()
            os._exit(0)
    os.waitpid(child, 0)
    value, pid = os.read(read_end, 100).split()
    assert (int(value), int(pid) != session.pid) == (2, True)
    assert session.run(X)[0][0, 0] == 3


def test_a_session_that_nobody_closed_leaves_no_process(opened: Open) -> None:
    session = open_foreign(model(), FAKE)
    pid = session.pid
    del session
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


def test_a_runtime_that_is_not_there_says_how_to_get_it(opened: Open) -> None:
    with pytest.raises(
        MissingExtraError, match="engine 'fake' is not usable here: No module named 'nothing'"
    ) as caught:
        opened(replace(FAKE, module="nothing"))
    assert caught.value.exit_code == 13
    assert "pip install 'edge-sdk[fake]'" in caught.value.hint
    assert "export EDGE_FAKE_PYTHON=" in caught.value.hint


def test_a_runtime_that_numpy_is_too_new_for_says_so(opened: Open) -> None:
    with pytest.raises(MissingExtraError, match=r"fake-runtime 1\.5 needs numpy below 1; "):
        opened(replace(FAKE, numpy_below=1))


def test_an_interpreter_that_is_no_python_is_an_error(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAKE.python_variable, "/bin/false")
    with pytest.raises(EngineFaultError, match="exit code 1"):
        opened()
    text = Path("/proc/self/cmdline")
    monkeypatch.setenv(FAKE.python_variable, str(text))
    with pytest.raises(UsageError):
        opened()
