"""Carrying a plan out, step by step, so that it may end anywhere.

    survey -> plan -> preflight -> show -> ask -> journal { lock, step, step, ... } -> result

A line is on this machine's disk before and after each step; what the target needs to go on is on the target. After
the lock is held the target is looked at once more: if the plan would be another one now, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from edge_sdk.errors import BusyError, EdgeError, HealthGateError, RollbackError
from firmware_tools.flash.events import Events
from firmware_tools.flash.journal import Journal, journal_folder
from firmware_tools.flash.plan import Plan, Step
from firmware_tools.flash.receipt import StepDone
from firmware_tools.flash.steps import STEPS, Run

#: What a result says to people.
_ENDINGS = {
    "running": "{app} {version} runs on {target}",
    "on trial": "{app} {version} is on trial on {target}; the device decides alone",
    "waiting for a boot": "{app} {version} is in {target}; it is tried at the next boot",
    "rolled back": "{app} {version} is back on {target}",
    "reverted": "{app} {version} was given up on {target}",
    "failed": "{app} is not running on {target}",
}


def execute(run: Run, plan_again: Callable[[], Plan]) -> dict[str, Any]:
    """Carry out `run.plan` and return the result.

    Args:
        run: what the steps need.
        plan_again: looks at the target again and plans; called once the lock is held.

    Raises:
        HealthGateError: the device went back to the version before; the receipt is written nevertheless.
        RollbackError: the version that was gone back to was not healthy either.
        BusyError: someone else changes the target, or has just done so.
        EdgeError: a step failed; the same command goes on from there.
    """
    with Journal(journal_folder(run.plan.target, run.plan.app)) as journal:
        if journal.unfinished:
            same = journal.unfinished.startswith(f"{run.plan.slot},")
            word = "going on with what was begun" if same else "an earlier command was not finished"
            run.events.note(f"{word}: {journal.unfinished}")
        journal.begin(run.plan.slot, [step.id for step in run.plan.steps])
        failure = _steps(run, journal, plan_again)
        journal.end(run.outcome)
    if failure is not None:
        raise failure
    return result_of(run)


def result_of(run: Run) -> dict[str, Any]:
    """Return the last event."""
    plan = run.plan
    text = _ENDINGS[run.outcome].format(app=plan.app, version=plan.version, target=plan.target)
    if run.outcome == "running" and any(step.kind == "gate" for step in plan.steps):
        text += " and is healthy"
    if not plan.version:
        text = f"{plan.app} was given up on {plan.target}; nothing runs there now"
    return {
        "outcome": run.outcome,
        "phase": run.outcome,
        "text": text,
        "target": plan.target,
        "board": plan.board,
        "app": plan.app,
        "version": plan.version,
        "slot": plan.slot,
        "bytes_sent": run.bytes_sent,
        "seconds": round(sum(one.seconds for one in run.done), 3),
    }


def _steps(run: Run, journal: Journal, plan_again: Callable[[], Plan]) -> EdgeError | None:
    """Do all steps. After a version that was not healthy only the receipt is left; that failure is returned."""
    failure: EdgeError | None = None
    for step in run.plan.steps:
        if failure is not None and step.kind != "receipt":
            continue
        try:
            _one(run, journal, step)
        except HealthGateError as unhealthy:
            failure = unhealthy if run.bundle is not None else _stuck(unhealthy)
        except EdgeError as fault:
            if failure is None:
                raise
            run.events.note(f"the receipt is not on the device: {fault.message}")
        if step.kind == "lock" and plan_again() != run.plan:
            raise BusyError(f"{run.plan.target}: changed while you looked at the plan", hint="give the command again")
    return failure


def _one(run: Run, journal: Journal, step: Step) -> None:
    journal.step(step.id)
    run.events.begin(step)
    began_s = monotonic()
    STEPS[step.kind](run, step)
    spent_s = monotonic() - began_s
    run.done.append(StepDone(step.id, round(spent_s, 3)))
    journal.done(step.id)
    run.events.end(step, spent_s)


def _stuck(unhealthy: HealthGateError) -> RollbackError:
    return RollbackError(f"going back failed: {unhealthy.message}", hint=unhealthy.hint)


def told(events: Events, error: BaseException) -> None:
    """Tell how it ended when it did not end well; the caller raises."""
    code = error.exit_code if isinstance(error, EdgeError) else 130 if isinstance(error, KeyboardInterrupt) else 1
    message = error.message if isinstance(error, EdgeError) else type(error).__name__
    outcome = "reverted" if isinstance(error, HealthGateError) else "failed"
    events.close()
    events.result({"outcome": outcome, "exit_code": code, "message": message})
