from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from edge_sdk.errors import UsageError
from edge_sdk.runtime import engine
from edge_sdk.runtime.engine import (
    FULL_RESERVATION,
    EngineSpec,
    EpochTicker,
    engine_for,
    epoch_ticks,
    host_spec,
    sandbox_spec,
)
from tests.support import REPOSITORY


@pytest.mark.parametrize(("memory", "reserved"), [(65536, 1 << 20), (1 << 20, 1 << 20), ((1 << 20) + 1, 1 << 21)])
def test_host_memory_is_reserved_as_declared(memory: int, reserved: int) -> None:
    assert host_spec(memory).reservation_bytes == reserved


def test_sandbox_memory_is_reserved_in_full_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_has_address_space", lambda size: True)
    assert sandbox_spec(65536).reservation_bytes == FULL_RESERVATION
    monkeypatch.setattr(engine, "_has_address_space", lambda size: False)
    assert sandbox_spec(65536).reservation_bytes == 1 << 20


def test_a_limited_address_space_is_seen() -> None:
    code = """if True:
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        from edge_sdk.runtime.engine import sandbox_spec
        print(sandbox_spec(65536).reservation_bytes)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1 << 20


def test_engines_are_shared_by_kind() -> None:
    assert engine_for(EngineSpec(1 << 20)) is engine_for(EngineSpec(1 << 20))
    assert engine_for(EngineSpec(1 << 20)) is not engine_for(EngineSpec(1 << 21))


@pytest.mark.parametrize("deadline_s", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_deadline_that_cannot_be_meant_is_refused(deadline_s: float) -> None:
    with pytest.raises(UsageError, match="deadline_s"):
        epoch_ticks(deadline_s)


def test_a_deadline_never_ends_early() -> None:
    for deadline_s in (0.001, 0.005, 0.0051, 1.0):
        # A tick may come at once, so one more is waited for.
        assert (epoch_ticks(deadline_s) - 1) * engine.TICK_S >= deadline_s


class CountingEngine:
    def __init__(self) -> None:
        self.count = 0
        self.moved = threading.Event()

    def increment_epoch(self) -> None:
        self.count += 1
        self.moved.set()


def test_the_ticker_runs_only_while_an_engine_is_in_use() -> None:
    ticker, used = EpochTicker(), CountingEngine()
    assert ticker._thread is None
    ticker.hold(used)
    thread = ticker._thread
    assert thread is not None
    assert used.moved.wait(10)
    ticker.release(used)
    thread.join(10)
    assert not thread.is_alive()
    count = used.count
    ticker.hold(CountingEngine())
    assert used.count == count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_deadline_holds_in_the_child_of_a_fork() -> None:
    code = """if True:
        import os, sys
        import numpy as np
        from edge_sdk.errors import DeadlineError
        from edge_sdk.runtime.session import open_session
        from tests.hostile.guests import ADD, MEMORY, PREPARE, COUNT, adder, infer, module
        x = np.ones(COUNT, np.float32)
        endless = open_session(module(ADD, MEMORY, PREPARE, infer("(loop $l (br $l)) (i32.const 0)")), deadline_s=0.2)
        honest = open_session(adder())
        child = os.fork()
        if child == 0:
            honest.run(x, x)
            try:
                endless.run(x, x)
            except DeadlineError:
                os._exit(7)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        honest.run(x, x)
        sys.exit(os.waitstatus_to_exitcode(status))"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 7, done.stderr


def test_faulthandler_after_the_first_engine_does_not_make_a_trap_fatal() -> None:
    code = """if True:
        import faulthandler
        import numpy as np
        from edge_sdk.errors import SandboxError
        from edge_sdk.runtime.engine import faulthandler_hazard
        from edge_sdk.runtime.session import open_session
        from tests.hostile.guests import ADD, MEMORY, PREPARE, COUNT, adder, infer, module
        open_session(adder()).close()
        assert not faulthandler_hazard()
        faulthandler.enable()
        assert faulthandler_hazard()
        x = np.ones(COUNT, np.float32)
        try:
            open_session(module(ADD, MEMORY, PREPARE, infer("(i32.load (i32.const -16))"))).run(x, x)
        except SandboxError as error:
            print(error)"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "memory out of bounds" in done.stdout


def test_the_garbage_collector_may_free_a_session_while_another_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    ticker, kind = EpochTicker(), engine_for(EngineSpec(1 << 20))
    monkeypatch.setattr(ticker, "_start", lambda: ticker.release(kind))
    thread = threading.Thread(target=ticker.hold, args=(kind,), daemon=True)
    thread.start()
    thread.join(5.0)
    assert not thread.is_alive()
