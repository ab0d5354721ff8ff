"""The worker of the acting sinks, around an actuator that is a list."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.config import Where
from edge_sdk.errors import ConfigError, TransferError
from edge_sdk.publish.acting import ActingOptions, ActingSink, Value
from edge_sdk.reading import Result
from tests.broker import until

RESULT = Result(
    "gw", "p", "alarm", 0, 1.0, datetime(2026, 1, 1, tzinfo=timezone.utc), np.zeros(1, np.float32), score=0.5
)
ALARM = replace(RESULT, alarm=True)
WHERE = Where(Path("p.toml"), "sinks[0]")


class Machine:
    """Remembers what was done to it; `broken` makes it fail, `hang` makes it wait."""

    def __init__(self) -> None:
        self.done: list[Value | str] = []
        self.at_s: list[float] = []
        self.broken = False
        self.go_on = threading.Event()
        self.go_on.set()

    def open(self) -> None:
        self._answer("open")

    def write(self, value: Value) -> None:
        self.go_on.wait(10)
        self._answer(value)

    def close(self) -> None:
        self.done.append("close")

    def describe(self, value: Value) -> str:
        return f"set {value}"

    def _answer(self, done: Value | str) -> None:
        if self.broken:
            raise TransferError("the machine does not answer")
        self.done.append(done)
        self.at_s.append(time.monotonic())


def opened(machine: Machine, **options: object) -> ActingSink:
    sink = ActingSink(ActingOptions(**{"safe": False, "max_rate_hz": 1000, **options}), WHERE, machine)
    sink.open()
    return sink


def test_the_safe_state_comes_first_and_last() -> None:
    machine = Machine()
    sink = opened(machine, safe=True)
    until(lambda: machine.done == ["open", True], "the safe state before any result")
    sink.publish(RESULT)
    until(lambda: machine.done[-1] is False, "no alarm")
    sink.close()
    assert machine.done == ["open", True, False, True, "close"]
    assert sink.counts() == {"delivered": 3, "faults": 0, "safe": 2, "waiting": 0}


def test_only_changes_are_written() -> None:
    machine = Machine()
    sink = opened(machine)
    for result in (RESULT, RESULT, ALARM, ALARM, ALARM):
        sink.publish(result)
        time.sleep(0.02)
    sink.close()
    assert machine.done == ["open", False, True, False, "close"]


def test_what_does_not_change_is_refreshed() -> None:
    machine = Machine()
    sink = opened(machine, refresh_s=0.02)
    sink.publish(RESULT)
    until(lambda: machine.done.count(False) >= 5, "refreshes")
    sink.close()


def test_writes_keep_to_their_rate_and_a_short_alarm_is_still_written() -> None:
    machine = Machine()
    sink = opened(machine, max_rate_hz=10)
    until(lambda: len(machine.done) == 2, "the safe state")
    for _ in range(20):
        sink.publish(ALARM)
        sink.publish(RESULT)
    until(lambda: machine.done[-2:] == [True, False], "the alarm and its end")
    sink.close()
    writes = machine.at_s[1:-1]
    assert all(after - before >= 0.09 for before, after in pairwise(writes))


def test_silence_leads_to_the_safe_state() -> None:
    machine = Machine()
    sink = opened(machine, safe=True, timeout_s=0.1)
    sink.publish(RESULT)
    until(lambda: machine.done[-1] is False, "the result")
    until(lambda: machine.done[-1] is True, "the safe state")
    sink.publish(RESULT)
    until(lambda: machine.done[-1] is False, "the next result")
    sink.close()


@pytest.mark.parametrize(("on_stale", "written"), [("safe", True), ("use", False)])
def test_a_result_whose_model_failed(on_stale: str, written: bool) -> None:
    machine = Machine()
    sink = opened(machine, safe=True, on_stale=on_stale)
    sink.publish(replace(RESULT, stale=True))
    until(lambda: sink.counts()["delivered"] >= 1, "a write")
    time.sleep(0.05)
    assert machine.done[-1] is written
    sink.close()


def test_after_a_fault_all_is_written_again(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    sink = opened(machine)
    sink.publish(ALARM)
    until(lambda: machine.done[-1] is True, "the alarm")
    machine.broken = True
    sink.publish(RESULT)
    until(lambda: "does not answer" in sink.state, "the fault")
    machine.broken = False
    until(lambda: machine.done[-2:] == ["open", False], "the newest result")
    assert sink.counts()["faults"] >= 1
    assert sink.state == "set False"
    sink.close()
    assert "the machine does not answer; trying again" in caplog.text


def test_a_machine_that_hangs_holds_up_nobody_and_is_named_at_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_sdk.publish.acting.CLOSE_S", 0.2)
    machine = Machine()
    machine.go_on.clear()
    sink = opened(machine)
    began_s = time.monotonic()
    for _ in range(1000):
        sink.publish(ALARM)
    assert time.monotonic() - began_s < 2
    with caplog.at_level(logging.ERROR):
        sink.close()
    assert "the safe state could not be written" in caplog.text
    machine.go_on.set()


def test_a_dry_run_says_and_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    with caplog.at_level(logging.INFO):
        sink = opened(machine, dry_run=True)
        sink.publish(ALARM)
        until(lambda: "dry run: set True" in caplog.text, "the words")
        sink.close()
    assert machine.done == []
    assert sink.state == "dry run"


def test_a_score_acts_as_it_is() -> None:
    machine = Machine()
    sink = opened(machine, value="score", safe=0.0)
    sink.publish(RESULT)
    until(lambda: machine.done[-1] == 0.5, "the score")
    sink.publish(replace(RESULT, score=None))
    until(lambda: machine.done[-1] == 0.0, "no score is no value")
    sink.close()


@pytest.mark.parametrize(("value", "safe", "wanted"), [("alarm", 0.0, "true or false"), ("score", True, "a number")])
def test_the_safe_state_has_the_kind_of_the_value(value: str, safe: Value, wanted: str) -> None:
    with pytest.raises(ConfigError, match=rf"sinks\[0\]\.safe: expected {wanted}"):
        ActingSink(ActingOptions(value=value, safe=safe), WHERE, Machine())  # type: ignore[arg-type]
