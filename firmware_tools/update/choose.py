"""Before each start: which version, and may it? Counts the start of a trial before it happens, so that a hang or a
power cut counts too.

The rule, where something fails:

    1. A trial whose start could not be counted does not start: uncounted, it could crash for ever.
    2. What is confirmed starts, whatever else is broken. In place of a trial that may not start, `current` is led back
       to it if that can be done.
    3. With a damaged or lost state nobody knows what is confirmed. Then the version starts that this device accepted as
       the newest good one (its counter file names it), and no other.

Under systemd this is ExecStartPre: exit code 0 lets the start go on. When `current` was changed here, the unit that
systemd has read belongs to another version; then units are read again, a new start is asked for, and this one ends.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from enum import Enum

from edge_sdk.errors import ConfigError, EdgeError
from edge_sdk.units import printable, rfc3339, utc_now
from firmware_tools.update.boot import boot_of
from firmware_tools.update.boot.base import Boot
from firmware_tools.update.layout import Layout
from firmware_tools.update.leavings import clear_run
from firmware_tools.update.note import read_note
from firmware_tools.update.state import State, attempt, load_state, most_attempts, revert, times


class Choice(Enum):
    """What may happen now."""

    START = "start what `current` leads to"
    SWITCHED = "the same, but `current` led elsewhere before: its service files are not the ones in force"
    INSTEAD = "start the confirmed version, to which `current` was led back: the trial could not be counted"
    NOTHING = "start nothing"


def choose(layout: Layout, name: str, boot: Boot | None = None) -> int:
    """Let a start under systemd go on or not; return the exit code."""
    clear_run(layout, name)
    choice = next_start(layout, name, count=False)
    if choice is Choice.SWITCHED and _hand_over(layout, name, boot):
        return 1  # nothing was counted yet: this start never happens
    if choice is not Choice.NOTHING:
        choice = next_start(layout, name)
    if choice is Choice.SWITCHED:  # one start too many: it was given up just now
        _hand_over(layout, name, boot)
        return 1
    if choice is Choice.INSTEAD:  # another start would only come here again
        _hand_over(layout, name, boot, restart=False)
    if choice is Choice.START:
        _let_it_be_judged(layout, name, boot)
    return 1 if choice is Choice.NOTHING else 0


def _let_it_be_judged(layout: Layout, name: str, boot: Boot | None) -> None:
    """Bring a gate to a trial: it may start because the old version died, with nobody left who would ask for one."""
    try:
        if load_state(layout.state(name)).trial:
            (boot or boot_of(layout)).judge(name)
    except (EdgeError, OSError) as fault:
        _say(f"{name}: its gate cannot be started: {fault}")


def _hand_over(layout: Layout, name: str, boot: Boot | None, *, restart: bool = True) -> bool:
    """Let the right service files be read, and ask for a start with them; return whether there will be one."""
    try:
        boot = boot or boot_of(layout)
        boot.reload()
        if restart:
            boot.restart(name)
    except (EdgeError, OSError) as fault:
        _say(f"{name}: its service files could not be read again: {fault}")
        return False
    return True


def next_start(layout: Layout, name: str, why: str = "", *, count: bool = True) -> Choice:
    """Let `current` follow the state, count the start that is about to happen, and say what may start.

    Args:
        layout: of the device.
        name: of the application.
        why: how the last start ended, for the record of a trial that has used up its attempts; "": as the gate saw it.
        count: False: only let `current` follow.
    """
    before = layout.current_slot(name)
    try:
        state = _counted(layout, name, why) if count else _followed(layout, name)
    except Exception as fault:  # whatever it is, what is confirmed must start
        return _uncounted(layout, name, fault)
    if not state.wanted:
        _say(f"{name}: there is no version that could start")
        return Choice.NOTHING
    return Choice.START if before == state.wanted else Choice.SWITCHED


def _followed(layout: Layout, name: str) -> State:
    # Imported late, like below: a start of what is confirmed and in its place needs none of it.
    state = _state(layout, name)
    if state.wanted and layout.current_slot(name) == state.wanted:
        return state
    from firmware_tools.update.switch import change_state

    return change_state(layout, name, lambda same: same)


def _state(layout: Layout, name: str) -> State:
    """Return the state. `current` comes after it and goes before it, so with one and no other the state was lost."""
    path = layout.state(name)
    if layout.current_slot(name) and not os.path.lexists(path):
        raise ConfigError(f"{path}: is gone")
    return load_state(path)


def _counted(layout: Layout, name: str, why: str) -> State:
    if not (trial := _state(layout, name).trial):
        return _followed(layout, name)
    note = read_note(layout, name)
    why = why or (note.text if note is not None and note.slot == trial else "")
    from firmware_tools.update.switch import change_state

    state = change_state(layout, name, lambda old: _attempt(old, why))
    if not state.trial and state.failures:
        _say(f"{name}: {state.failures[-1].slot} is given up: {state.failures[-1].reason}")
    return state


def _attempt(state: State, why: str) -> State:
    utc = rfc3339(utc_now())
    if why and state.trial and state.attempts >= most_attempts(state):
        return revert(state, f"started {times(state)} without becoming healthy; lastly: {why}", utc)
    return attempt(state, utc)


def _uncounted(layout: Layout, name: str, fault: Exception) -> Choice:
    """Decide without having written anything: see the rule above."""
    _say(f"{name}: the start cannot be counted: {type(fault).__name__}: {fault}")
    try:
        confirmed = _state(layout, name).confirmed
    except (EdgeError, OSError):
        confirmed = _accepted(layout, name)
    current = layout.current_slot(name)
    if not confirmed:
        _say(f"{name}: no version is known to be good: nothing is started")
        return Choice.NOTHING
    if current == confirmed:
        return Choice.START
    try:
        from firmware_tools.update.switch import follow

        follow(layout, name, State(confirmed=confirmed))
    except Exception as second:  # as above
        _say(f"{name}: {current or 'nothing'} is not confirmed, and may not start: {second}")
        return Choice.NOTHING
    _say(f"{name}: {confirmed} is started in place of {current or 'nothing'}")
    return Choice.INSTEAD


def _accepted(layout: Layout, name: str) -> str:
    """Return the current slot if it is the newest version that was ever confirmed here, else ""."""
    try:
        from firmware_tools.sign import TrustStore

        counter, current = TrustStore(layout.trust).counter(name), layout.current_slot(name)
    except (EdgeError, OSError):
        return ""
    return current if counter and current.endswith(f"-{counter.manifest_sha256[:12]}") else ""


def _say(text: str) -> None:
    with suppress(OSError):  # nobody may be left to read it
        print(f"edge-sdk choose: {printable(text)}", file=sys.stderr, flush=True)
