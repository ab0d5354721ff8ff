"""What each kind of step does: a table of functions, each of which may be called again.

A step talks to the target through the link only, and believes nothing it answers: answers are decoded strictly, and
what counts (the slot, the verdict) is compared with what the plan says.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, TypeVar

import msgspec

from edge_sdk.errors import (
    BusyError,
    DeadlineError,
    HealthGateError,
    TargetNotFoundError,
    TransferError,
    VerificationError,
)
from edge_sdk.units import rfc3339, utc_now, utf8
from firmware_tools.bundle import Bundle
from firmware_tools.flash.events import Events, clean
from firmware_tools.flash.plan import Plan, Step
from firmware_tools.flash.receipt import Outcome, Receipt, StepDone, keep, operator
from firmware_tools.flash.transport import Link
from firmware_tools.update.messages import AppStatus

T = TypeVar("T")
#: Another operator's last steps are worth waiting for.
LOCK_PATIENCE_S = 5.0
POLL_S = 0.5
#: The device needs a moment to go back, and a network to come back.
GATE_MARGIN_S = 30.0
#: A receipt names no more files than this one by one.
MOST_PUTS = 64


@dataclass
class Run:
    """One plan being carried out.

    Attributes:
        connect: starts another receiver and returns the link to it.
        link: the one in use.
        root: the sealed trust root, b"" for none.
        status_command: what a person types to see how it ended.
        clock_state: of the device, see `receipt`.
        loaded: the site of the device's side in use.
        stored: what was in the store before anything was sent.
        outcome, reason: how it ended.
    """

    plan: Plan
    connect: Callable[[], Link]
    link: Link
    events: Events
    bundle: Bundle | None = None
    """None for a rollback."""
    root: bytes = b""
    status_command: str = "edge-sdk status"
    clock_state: str = "unknown"
    loaded: str = ""
    locked: bool = False
    stored: dict[str, int] | None = None
    bytes_sent: int = 0
    done: list[StepDone] = field(default_factory=list)
    outcome: Outcome = "failed"
    reason: str = ""
    receipt: Receipt | None = None

    @property
    def contents(self) -> Bundle:
        """The bundle, where a step needs one."""
        if self.bundle is None:
            raise RuntimeError("this plan has no bundle")
        return self.bundle

    @property
    def head(self) -> str:
        """The bundle up to its payload, as the device's verbs take it."""
        return base64.b64encode(self.contents.sealed.head()).decode()

    def ask(self, verb: str, kind: type[T], /, **arguments: Any) -> T:
        """Call a verb and return its answer as a `kind`.

        Raises:
            TransferError: the answer makes no sense.
            EdgeError: what the device complained about.
        """
        return answer(self.link.call(verb, **arguments), kind, verb)

    def status(self) -> AppStatus | None:
        """Return what the device says of the application, None where it knows none."""
        return app_of(self.ask("status", list[AppStatus], name=self.plan.app), self.plan.app)


def answer(value: object, kind: type[T], verb: str) -> T:
    """Return a device's answer as a `kind`.

    Raises:
        TransferError: it makes no sense.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as fault:
        raise TransferError(f"the device's answer to {verb} makes no sense: {clean(str(fault), 200)}") from None


def app_of(apps: list[AppStatus] | tuple[AppStatus, ...], name: str) -> AppStatus | None:
    """Return the application of that name."""
    return next((app for app in apps if app.name == name), None)


def lock(run: Run, step: Step) -> None:
    give_up_s = monotonic() + LOCK_PATIENCE_S
    while (busy := _try_lock(run)) is not None:
        if monotonic() >= give_up_s:
            raise busy
        sleep(POLL_S)


def put(run: Run, step: Step) -> None:
    entry = run.contents.manifest.file(step.arguments["path"])
    if entry is None:
        raise RuntimeError(f"{step.id}: not in the bundle")
    if run.stored is None:
        hashes = [one.id.partition(":")[2] for one in run.plan.steps if one.kind == "put"]
        run.stored = dict(run.link.stored(hashes))
    before = run.stored.get(entry.sha256, 0)
    with run.contents.open_file(entry) as source:
        run.link.put(entry.sha256, entry.size, source, lambda done: run.events.progress(step.id, done, entry.size))
    run.bytes_sent += max(0, entry.size - before)


def site(run: Run, step: Step) -> None:
    run.link.make_site(step.arguments["site"], [(name, sha256) for name, sha256 in step.arguments["wheels"]])


def load(run: Run, step: Step) -> None:
    run.loaded = step.arguments["site"]
    run.link.load_agent(run.loaded)


def adopt(run: Run, step: Step) -> None:
    run.link.set_agent(step.arguments["site"])


def trust(run: Run, step: Step) -> None:
    run.link.call("trust", root=base64.b64encode(run.root).decode())


def check(run: Run, step: Step) -> None:
    _same_slot(run, run.link.call("check", head=run.head, **step.arguments))


def build(run: Run, step: Step) -> None:
    _same_slot(run, run.link.call("build", head=run.head, **step.arguments))


def verify(run: Run, step: Step) -> None:
    run.link.call("verify", name=run.plan.app, slot=run.plan.slot, **step.arguments)


def selftest(run: Run, step: Step) -> None:
    run.link.call("selftest", name=run.plan.app, slot=run.plan.slot)


def activate(run: Run, step: Step) -> None:
    status = run.ask("activate", AppStatus, name=run.plan.app, slot=run.plan.slot, **step.arguments)
    run.outcome = _standing(status, run.plan.slot)
    if run.outcome == "reverted":
        _decided(run, status, run.plan.slot)


def restart(run: Run, step: Step) -> None:
    run.link.call("restart", name=run.plan.app)
    if run.outcome == "waiting for a boot":
        run.outcome = "on trial"


def gate(run: Run, step: Step) -> None:
    """Wait until the device has decided; it does so with or without us.

    Raises:
        HealthGateError: it went back, or what was good since long does not start any more.
        DeadlineError: it has not said so in time, or cannot be reached any more.
    """
    slot, gate_s = step.arguments["slot"], step.arguments["gate_s"]
    limit_s, attempts, shown = monotonic() + gate_s + GATE_MARGIN_S, 0, ("", 0, "")
    while True:
        status = _status_or_none(run, limit_s)
        if status is not None:
            attempts, limit_s = _more_time(run, status, attempts, limit_s, gate_s)
            told = (status.phase, status.attempts, status.verdict)
            if told != shown:
                shown = told
                run.events.verdict(status)
            if not _undecided(status, slot):
                return _decided(run, status, slot)
        if monotonic() >= limit_s:
            if status is not None and status.trial is None:
                run.outcome, run.reason = "failed", clean(status.verdict, 1000) or "the device gives no reason"
                hint = f"{run.status_command} --logs"
                raise HealthGateError(f"{run.plan.target}: {slot} does not run: {run.reason}", hint=hint)
            raise DeadlineError(
                f"{run.plan.target}: no verdict on {slot} in {gate_s + GATE_MARGIN_S:.0f} s; the device decides alone",
                hint=run.status_command,
            )
        sleep(POLL_S)


def collect(run: Run, step: Step) -> None:
    # Where the connection was lost meanwhile, the lock was lost with it.
    if not run.locked and _try_lock(run) is not None:
        run.events.note("someone else changes this device now; tidying up is left to them")
        return
    run.link.call("collect")


def rollback(run: Run, step: Step) -> None:
    status = run.ask("rollback", AppStatus, name=run.plan.app, **step.arguments)
    run.outcome = "rolled back" if status.trial is None else _standing(status, run.plan.slot)


def write_receipt(run: Run, step: Step) -> None:
    if run.outcome == "failed" and not run.reason:
        status = run.status()
        run.outcome = "failed" if status is None else _standing(status, run.plan.slot)
    run.receipt = Receipt(
        schema=1,
        target=utf8(run.plan.target),
        board=run.plan.board,
        app=run.plan.app,
        version=run.plan.version,
        slot=run.plan.slot,
        manifest_sha256=run.bundle.manifest_sha256 if run.bundle is not None else "",
        operator=operator(),
        utc=rfc3339(utc_now()),
        clock=run.clock_state,
        outcome=run.outcome,
        reason=clean(run.reason, 1000),
        bytes_sent=run.bytes_sent,
        steps=tuple(_short(run.done)),
    )
    plain = msgspec.to_builtins(run.receipt)
    keep(plain)
    run.link.call("receipt", name=run.plan.app, receipt=plain)


STEPS: dict[str, Callable[[Run, Step], None]] = {
    "activate": activate,
    "adopt": adopt,
    "build": build,
    "check": check,
    "collect": collect,
    "gate": gate,
    "load": load,
    "lock": lock,
    "put": put,
    "receipt": write_receipt,
    "restart": restart,
    "rollback": rollback,
    "selftest": selftest,
    "site": site,
    "trust": trust,
    "verify": verify,
}


def _try_lock(run: Run) -> BusyError | None:
    try:
        run.link.lock(operator())
    except BusyError as busy:
        return busy
    run.locked = True
    return None


def _short(done: list[StepDone]) -> list[StepDone]:
    """Return the steps with many files as one: a device keeps no receipts as large as an update."""
    puts = [one for one in done if one.id.startswith("put:")]
    if len(puts) <= MOST_PUTS:
        return done
    together = StepDone(f"put of {len(puts)} files", round(sum(one.seconds for one in puts), 3))
    return [together, *(one for one in done if one not in puts)]


def _same_slot(run: Run, value: object) -> None:
    slot = value.get("slot") if isinstance(value, dict) else None
    if slot != run.plan.slot:
        raise VerificationError(
            f"{run.plan.target}: the device speaks of {clean(str(slot), 120)!r}, expected {run.plan.slot}"
        )


def _standing(status: AppStatus, slot: str) -> Outcome:
    if status.confirmed is not None and status.confirmed.id == slot:
        return "running"
    if status.trial is not None and status.trial.id == slot:
        return "waiting for a boot" if status.phase == "waiting for a boot" else "on trial"
    return "reverted"


def _status_or_none(run: Run, limit_s: float) -> AppStatus | None:
    """Ask; after a lost connection connect again. None: not reachable now, or nothing is known of the application."""
    try:
        status = run.status()
    except (TransferError, DeadlineError) as lost:
        run.events.note(f"connection lost ({clean(lost.message, 200)}); the device goes on alone, asking again")
        run.locked = False
        _connect_again(run, limit_s)
        return None
    if status is None:
        raise TransferError(f"{run.plan.target}: the device knows nothing of {run.plan.app} any more")
    return status


def _connect_again(run: Run, limit_s: float) -> None:
    run.link.close()
    while not _connected(run):
        if monotonic() >= limit_s:
            raise DeadlineError(
                f"{run.plan.target}: not reachable any more while it judged {run.plan.slot}; it decides alone",
                hint=run.status_command,
            )
        sleep(POLL_S)


def _connected(run: Run) -> bool:
    try:
        run.link = run.connect()
        run.link.load_agent(run.loaded)
    except (TransferError, DeadlineError, TargetNotFoundError):
        return False
    return True


def _more_time(run: Run, status: AppStatus, attempts: int, limit_s: float, gate_s: int) -> tuple[int, float]:
    """Each start of the candidate has its own time; the device allows only a few."""
    if status.attempts <= attempts or status.attempts > 10:
        return attempts, limit_s
    return status.attempts, monotonic() + gate_s + GATE_MARGIN_S


def _undecided(status: AppStatus, slot: str) -> bool:
    """Whether it is to be waited for: on trial, or good since long and started anew, but not up yet."""
    if status.trial is not None:
        return status.trial.id == slot
    return status.confirmed is not None and status.confirmed.id == slot and status.phase == "stopped"


def _decided(run: Run, status: AppStatus, slot: str) -> None:
    if status.confirmed is not None and status.confirmed.id == slot:
        run.outcome = "running"
        return
    run.outcome = "reverted"
    reasons = [failure.reason for failure in status.failures if failure.slot == slot]
    run.reason = clean(reasons[-1], 1000) if reasons else "the device gives no reason"
    if not reasons and status.trial is not None:
        run.reason = f"{status.trial.id} was put on trial instead"
    now = "nothing runs there now"
    if status.confirmed is not None:
        # Two builds of one version are told apart by their slots.
        same = status.confirmed.version == run.plan.version
        now = f"{clean(status.confirmed.id if same else f'version {status.confirmed.version}', 120)} runs again"
    raise HealthGateError(
        f"{run.plan.app} {run.plan.version} was not healthy on {run.plan.target}: {run.reason}; {now}",
        hint=f"{run.status_command} --logs",
    )
