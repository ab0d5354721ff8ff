"""The gate: judges a version on trial, on the device, until it is confirmed or given up. Nobody else has to be there.

    not tested? --> its golden vectors
    look, judge, every half second --> everything rises, again and again, for hold_s --> confirm
                                   `-> not so within gate_s, or fatal --> revert, service files, restart

It may be killed at any moment and started again: the state says what is on trial, and the note in /run since when, and
whether a restart is still owed. Without a trial it ends at once. What fails is tried again, ever more slowly; above
all the restart after a revert, without which a bad version would go on running.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from msgspec.structs import replace

from edge_sdk.errors import EdgeError, TransferError
from edge_sdk.health import HealthReport, read_health
from edge_sdk.units import printable, rfc3339, utc_now
from firmware_tools.update.boot import boot_of
from firmware_tools.update.boot.base import Boot, Service
from firmware_tools.update.health import Look, Rules, Verdict, judge, rules_of
from firmware_tools.update.layout import Layout
from firmware_tools.update.note import Note, only_one, read_note, remove_note, write_note
from firmware_tools.update.processes import memory_mib, works_in
from firmware_tools.update.state import State, load_state, revert

POLL_S = 0.5
#: A state that cannot be read for so long ends the gate; whoever started it starts it again.
UNREADABLE_S = 60.0
MOST_PAUSE_S = 60.0
#: Service files that cannot be read again hold up the restart only so often: the right version under the wrong unit
#: is better than the wrong version.
RELOADS = 3
#: Who gives a trial up by hand also restarts it, or is cut off before; a service takes less to end.
LINGERS_S = 20.0


@dataclass(frozen=True)
class Seen:
    """One look at the device.

    Attributes:
        ours: whether the process that runs is of the version on trial.
    """

    service: Service
    report: HealthReport | None
    memory_mib: int
    ours: bool


def look(layout: Layout, name: str, slot: str, boot: Boot) -> Seen:
    """Look at what runs.

    Raises:
        TransferError: whoever starts services does not answer.
    """
    service = boot.service(name)
    if not service.pid:
        return Seen(service, None, 0, ours=True)
    ours = works_in(service.pid, layout.slot(name, slot))
    return Seen(service, read_health(layout.health(name)), memory_mib(service.pid), ours)


@dataclass
class Trial:
    """What the gate remembers of the trial it judges.

    Attributes:
        since: what counts must surpass: the first report of the process, then the last at which all of them had risen.
            So it is not enough to have been at work at the beginning of the hold.
        held_s: when it was healthy first, and has not been in trouble since; None before that.
        said: the last verdict that tells how it fared, for `choose` to repeat when it gives up.
        tested: its golden vectors were answered, whether or not that could be written down.
    """

    state: State
    rules: Rules
    gate_s: float
    hold_s: float
    began_s: float
    since: Look | None = None
    held_s: float | None = None
    said: str = ""
    tested: bool = False

    def decide(self, seen: Seen, now_s: float) -> tuple[str, str]:
        """Take one look into account; return what to do, "wait", "confirm" or "revert", and why."""
        verdict = self._judge(seen, now_s)
        if verdict.fatal:
            return "revert", verdict.text
        if not verdict.steady:
            self.held_s = None
        elif verdict.healthy:
            self.held_s = now_s if self.held_s is None else self.held_s
            if now_s - self.held_s >= self.hold_s:
                return "confirm", verdict.text
            self.since = Look(seen.service, seen.report)
        holds = self.held_s is not None and now_s - self.held_s < self.hold_s
        if now_s - self.began_s >= self.gate_s and not holds:
            return "revert", f"not healthy within {self.gate_s:g} s: {verdict.text}"
        return "wait", verdict.text

    def _judge(self, seen: Seen, now_s: float) -> Verdict:
        if not self.state.attempts:
            return Verdict(healthy=False, fatal=False, text="it has not been started")
        if not seen.ours:
            return Verdict(False, False, f"process {seen.service.pid} is not of this version")
        verdict = judge(seen.report, seen.service, seen.memory_mib, self.rules, now_s, self.since)
        report = seen.report if seen.report is not None and seen.report.pid == seen.service.pid else None
        known = self.since.report if self.since is not None else None
        if report is not None and (known is None or known.pid != report.pid):
            # A process seen for the first time: whatever it has done so far may be all it ever does.
            self.since = Look(seen.service, report)
            self.held_s = None
            text = "it has only just begun to deliver" if verdict.healthy else verdict.text
            return verdict if verdict.fatal else Verdict(False, False, text, verdict.steady)
        return verdict


class Gate:
    """Judges the trial of one application.

    Args:
        layout: of the device.
        name: of the application.
        boot: who starts services.
        clock: the system's monotonic clock, as in health reports.
        sleep: waits.
        observe: looks at a slot's process; tests give their own.
        say: takes one line.
    """

    def __init__(
        self,
        layout: Layout,
        name: str,
        boot: Boot,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        observe: Callable[[str], Seen] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._layout, self._name, self._boot = layout, name, boot
        self._clock, self._sleep = clock, sleep
        self._observe = observe or (lambda slot: look(layout, name, slot, boot))
        self._say = say or _print
        self._trial: Trial | None = None
        self._lingers_since_s: float | None = None

    def run(self) -> int:
        """Judge until there is no trial; return the exit code."""
        unreadable_s: float | None = None
        while True:
            try:
                state = load_state(self._layout.state(self._name))
            except (EdgeError, OSError) as fault:
                unreadable_s = self._clock() if unreadable_s is None else unreadable_s
                if self._clock() - unreadable_s >= UNREADABLE_S:
                    self._say(f"{self._name}: there is nothing to go by: {fault}")
                    return TransferError.exit_code
                self._sleep(1.0)
                continue
            unreadable_s = None
            if state.trial:
                self._lingers_since_s = None
                self._step(state)
            elif not self._lingers(state):
                return self._end(state)
            self._sleep(POLL_S)

    def _lingers(self, state: State) -> bool:
        """Return whether to wait for the end of a version that somebody else gave up; who did may have been cut off."""
        note = read_note(self._layout, self._name)
        if note is None or note.owed or note.slot == state.confirmed or not self._runs(note.slot):
            return False
        self._lingers_since_s = self._clock() if self._lingers_since_s is None else self._lingers_since_s
        if self._clock() - self._lingers_since_s < LINGERS_S:
            return True
        write_note(self._layout, self._name, replace(note, owed=True))
        return False

    def _runs(self, slot: str) -> bool:
        try:
            seen = self._observe(slot)
        except (EdgeError, OSError):
            return False
        return bool(seen.service.pid) and seen.ours

    def _end(self, state: State) -> int:
        note = read_note(self._layout, self._name)
        if note is not None and note.owed:
            self._put_right()
        elif note is not None and note.slot == state.confirmed:
            self._finish(state.confirmed)
        remove_note(self._layout, self._name)
        return 0

    def _finish(self, slot: str) -> None:
        """Do what is left of a confirmation: whoever began it may have been killed."""
        try:
            self._confirm(slot)
        except (EdgeError, OSError) as fault:
            self._say(f"{self._name}: {slot} is confirmed, but not all that goes with it is done: {fault}")

    def _step(self, state: State) -> None:
        trial = self._trial
        if trial is None or trial.state.trial != state.trial or state.attempts < trial.state.attempts:
            trial = self._begin(state)
        if trial is None:
            return
        trial.state = state
        if not (state.tested or trial.tested) and not self._test(trial):
            return
        try:
            seen = self._observe(state.trial)
        except (EdgeError, OSError) as fault:
            seen = Seen(Service(running=False, pid=0, starts=0, detail=str(fault)), None, 0, ours=True)
        what, text = trial.decide(seen, self._clock())
        if not seen.service.starting or not trial.said:
            trial.said = text
        self._note(trial)
        if what == "confirm":
            self._accept(trial)
        elif what == "revert":
            self._revert(state.trial, text)

    def _begin(self, state: State) -> Trial | None:
        """Begin to judge a trial, or go on where a gate before us was killed."""
        from firmware_tools.update.slot import read_head

        try:
            manifest = read_head(self._layout, self._name, state.trial).manifest
        except (EdgeError, OSError) as fault:
            self._revert(state.trial, f"its files cannot be read: {fault}")
            return None
        now_s, note = self._clock(), read_note(self._layout, self._name)
        goes_on = note is not None and note.slot == state.trial and note.attempts <= state.attempts
        began_s = note.began_s if note is not None and goes_on and 0 <= note.began_s <= now_s else now_s
        gate_s, hold_s = state.gate_s or manifest.health.gate_s, state.hold_s or manifest.health.hold_s
        self._trial = Trial(state, rules_of(manifest), gate_s, min(hold_s, gate_s), began_s)
        return self._trial

    def _note(self, trial: Trial) -> None:
        state = trial.state
        write_note(self._layout, self._name, Note(state.trial, state.attempts, trial.began_s, trial.said))

    def _test(self, trial: Trial) -> bool:
        """Ask the golden vectors; the time it takes does not count against the version."""
        from firmware_tools.update.selftest import selftest
        from firmware_tools.update.switch import change_state

        began_s, slot = self._clock(), trial.state.trial
        try:
            selftest(self._layout, self._name, slot)
        except (EdgeError, OSError) as fault:
            self._revert(slot, f"its golden vectors: {fault}")
            return False
        trial.began_s += self._clock() - began_s
        trial.tested = True
        try:
            change_state(self._layout, self._name, lambda now: _tested(now, slot))
        except (EdgeError, OSError) as fault:  # a gate after this one asks them again
            self._say(f"{self._name}: cannot note that its golden vectors were answered: {fault}")
        return True

    def _accept(self, trial: Trial) -> None:
        slot = trial.state.trial
        try:
            self._confirm(slot)
        except (EdgeError, OSError) as fault:
            self._say(f"{self._name}: {slot} is healthy, but cannot be confirmed: {fault}")
            if self._clock() - trial.began_s >= trial.gate_s + trial.hold_s:
                self._revert(slot, f"it cannot be confirmed: {fault}")
            return
        self._say(f"{self._name}: {slot} is healthy and confirmed")

    def _confirm(self, slot: str) -> None:
        from firmware_tools.update.switch import confirm_trial

        confirm_trial(self._layout, self._name, slot)

    def _revert(self, slot: str, reason: str) -> None:
        """Give a trial up, and see to it that the version before runs again."""
        from firmware_tools.update.switch import change_state

        begun = self._trial.began_s if self._trial is not None else self._clock()
        attempts = self._trial.state.attempts if self._trial is not None else 0
        write_note(self._layout, self._name, Note(slot, attempts, begun, reason, owed=True))
        utc = rfc3339(utc_now())
        self._try_to(f"give {slot} up ({reason})", lambda: change_state(
            self._layout, self._name, lambda now: revert(now, reason, utc) if now.trial == slot else now
        ), lambda: self._end_uncounted(slot))  # fmt: skip
        self._say(f"{self._name}: {slot} is given up: {reason}")
        self._put_right()

    def _end_uncounted(self, slot: str) -> None:
        """End a version that cannot be given up yet; who cannot count its next start starts the confirmed one."""
        if self._runs(slot):
            self._boot.restart(self._name)

    def _put_right(self) -> None:
        """Let what the state says run; not if a new trial is under way, whose beginner has restarted the service."""
        tries = 0

        def restart() -> None:
            nonlocal tries
            state = load_state(self._layout.state(self._name))
            if state.trial:
                return
            tries += 1
            try:
                self._boot.reload()
            except (EdgeError, OSError):
                if tries <= RELOADS:
                    raise
            if state.confirmed:
                self._boot.restart(self._name)
            else:
                self._boot.stop(self._name)

        self._try_to("restart it", restart)
        remove_note(self._layout, self._name)

    def _try_to(self, what: str, act: Callable[[], object], meanwhile: Callable[[], object] | None = None) -> None:
        """Do it, however often that takes; after each failure `meanwhile` is done."""
        pause_s = 1.0
        while True:
            try:
                act()
                return
            except (EdgeError, OSError) as fault:
                self._say(f"{self._name}: cannot {what}: {fault}; tried again in {pause_s:g} s")
            if meanwhile is not None:
                with suppress(EdgeError, OSError):
                    meanwhile()
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, MOST_PAUSE_S)


def _tested(state: State, slot: str) -> State:
    return replace(state, tested=True) if state.trial == slot else state


def gate(layout: Layout, name: str) -> int:
    """Judge the trial of an application, if there is one; return the exit code."""
    with only_one(layout, name, "gate"):
        return Gate(layout, name, boot_of(layout)).run()


def _print(text: str) -> None:
    with suppress(OSError):  # nobody may be left to read it
        print(f"edge-sdk gate: {printable(text)}", file=sys.stderr, flush=True)
