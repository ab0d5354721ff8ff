from __future__ import annotations

import itertools
from typing import Any

import pytest

from edge_sdk.errors import HealthGateError, TransferError, VerificationError
from firmware_tools.flash import steps
from firmware_tools.flash.plan import Plan, Step
from firmware_tools.flash.receipt import StepDone
from firmware_tools.flash.steps import MOST_PUTS, STEPS, Run, answer
from firmware_tools.update.messages import AppStatus
from firmware_tools.update.state import Failure
from tests.unit.firmware_tools.flash.fake_target import FakeLink, FakeTarget, Recorder
from tests.unit.firmware_tools.flash.test_plan import app, slot

SLOT = "1.0.0-aaaaaaaaaaaa"
GATE = Step("gate", "gate", "safe", "", {"slot": SLOT, "gate_s": 10}, 0)


class Scripted(FakeLink):
    """A link whose answers are written down."""

    def __init__(self, *answers: object) -> None:
        super().__init__(FakeTarget())
        self.answers = list(answers)

    def call(self, verb: str, **arguments: Any) -> Any:
        value = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(value, Exception):
            raise value
        return value


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(steps, "sleep", lambda seconds: None)
    monkeypatch.setattr(steps, "monotonic", lambda: float(next(ticks)))


def run_with(link: FakeLink) -> Run:
    return Run(Plan("root@x", "", "app", "1.0.0", SLOT, "", 0, (), ()), lambda: link, link, Recorder())


def plain(status: AppStatus) -> list[dict[str, Any]]:
    import msgspec

    return [msgspec.to_builtins(status)]


TRIAL = plain(app(trial=slot(SLOT), phase="trial", attempts=1, verdict="no results yet"))


def test_the_gate_ends_when_the_device_has_confirmed() -> None:
    run = run_with(Scripted(TRIAL, TRIAL, plain(app(confirmed=slot(SLOT)))))
    steps.gate(run, GATE)
    assert run.outcome == "running"
    assert isinstance(run.events, Recorder)
    assert [status.phase for status in run.events.verdicts] == ["trial", "running"]


def test_each_start_of_a_candidate_has_its_own_time() -> None:
    later = plain(app(trial=slot(SLOT), phase="trial", attempts=2))
    run = run_with(Scripted(*[TRIAL] * 12, *[later] * 12, plain(app(confirmed=slot(SLOT)))))
    steps.gate(run, GATE)
    assert run.outcome == "running"


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (app(failures=(Failure(SLOT, "no results", 3, ""),)), r"no results; version 0\.9\.0 runs again"),
        (app(confirmed=None, failures=(Failure(SLOT, "x\x1b[2Jy", 3, ""),)), r"x\\x1b\[2Jy; nothing runs there now"),
        (app(), "the device gives no reason"),
        (app(trial=slot("2.0.0-bb")), r"2\.0\.0-bb was put on trial instead"),
    ],
)
def test_a_device_that_went_back_says_why(status: AppStatus, part: str) -> None:
    run = run_with(Scripted(TRIAL, plain(status)))
    with pytest.raises(HealthGateError, match=part):
        steps.gate(run, GATE)
    assert run.outcome == "reverted"


def test_a_version_that_was_good_is_not_called_running_before_it_runs() -> None:
    stopped = plain(app(confirmed=slot(SLOT), phase="stopped", verdict="it does not run"))
    run = run_with(Scripted(stopped, stopped, plain(app(confirmed=slot(SLOT)))))
    steps.gate(run, GATE)
    assert run.outcome == "running"
    run = run_with(Scripted(stopped))
    with pytest.raises(HealthGateError, match="does not run: it does not run"):
        steps.gate(run, GATE)
    assert (run.outcome, run.reason) == ("failed", "it does not run")


def test_a_device_that_does_not_take_a_version_on_trial_has_not_installed_it() -> None:
    refused = plain(app(failures=(Failure(SLOT, "its files are not on the device", 0, ""),)))[0]
    run = run_with(Scripted(refused))
    with pytest.raises(HealthGateError, match="its files are not on the device"):
        steps.activate(run, Step("activate", "activate", "replaces-app", "", {}, 0))


@pytest.mark.parametrize("p99_ms", [float("inf"), float("-inf"), float("nan")])
def test_what_json_cannot_write_is_no_answer(p99_ms: float) -> None:
    with pytest.raises(TransferError, match="makes no sense"):
        answer(plain(app(p99_ms=p99_ms)), list[AppStatus], "status")


@pytest.mark.parametrize("value", [None, 3, "x", [3], [{}], [{"name": "app"}], [[[]]], {"name": "app"}])
def test_an_answer_that_makes_no_sense_is_a_failed_transfer(value: object) -> None:
    with pytest.raises(TransferError, match="the device's answer to status makes no sense"):
        answer(value, list[AppStatus], "status")


@pytest.mark.parametrize("value", [None, [], {"slot": 3}, {"slot": "2.0.0-bb"}, {}])
@pytest.mark.parametrize("kind", ["check", "build"])
def test_a_device_that_speaks_of_another_version_is_not_followed(
    value: object, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "head", property(lambda run: ""))
    with pytest.raises(VerificationError, match=f"expected {SLOT}"):
        STEPS[kind](run_with(Scripted(value)), Step(kind, kind, "safe", "", {}, 0))


def test_a_receipt_does_not_grow_with_the_number_of_files() -> None:
    puts = [StepDone(f"put:{index}", 0.5) for index in range(MOST_PUTS + 1)]
    short = steps._short([StepDone("lock", 1.0), *puts])
    assert short == [StepDone(f"put of {MOST_PUTS + 1} files", 0.5 * (MOST_PUTS + 1)), StepDone("lock", 1.0)]
    assert steps._short(puts[:3]) == puts[:3]
