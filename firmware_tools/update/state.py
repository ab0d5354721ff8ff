"""The state of an application on a device, and what may become of it. Pure, but for reading and writing the file.

    nothing --begin--> trial --confirm--> confirmed --begin--> trial (confirmed kept)
                         |                                       |-- confirm --> confirmed, the old one `previous`
                         |                                       `-- revert  --> as before, with a failure noted
                         `-- revert --> nothing

`attempts` counts the starts of a trial and is raised before each of them, so a hang or a power cut counts. The file is
the truth; the link `current` follows it (see `choose`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from edge_sdk.errors import ConfigError, TargetNotFoundError, UsageError
from firmware_tools.sign import canonical, durable

MAX_STATE_BYTES = 64 * 1024
MOST_ATTEMPTS = 3
KEPT_FAILURES = 5
#: What makes a state; without one of them it is a damaged one.
_NEEDED = {"attempts", "confirmed", "previous", "schema", "trial"}

SlotId = Annotated[str, Meta(pattern=r"\A([A-Za-z0-9][A-Za-z0-9._-]{0,95})?\Z")]
Kind = Literal["update", "rollback", "watch"]


class Failure(Struct, frozen=True):
    """A version that was not healthy."""

    slot: SlotId
    reason: Annotated[str, Meta(max_length=1000)]
    attempts: Annotated[int, Meta(ge=0, le=1000)]
    utc: Annotated[str, Meta(max_length=40)]
    """When, by the device's clock, which may be wrong."""


class State(Struct, frozen=True):
    """What is known of one application.

    The device's side moves between versions of edge-sdk, forth and back, so fields may be added: an older reader
    ignores them, a newer one takes their defaults. `schema` rises when a reader could misunderstand.
    """

    schema: Literal[1] = 1
    confirmed: SlotId = ""
    """Known to be good; runs unless a trial does."""
    previous: SlotId = ""
    """Confirmed before that; what a rollback goes back to."""
    trial: SlotId = ""
    """Being tried."""
    kind: Kind = "update"
    """Of the trial."""
    attempts: Annotated[int, Meta(ge=0, le=1000)] = 0
    """Starts of the trial."""
    tested: bool = False
    """Whether the trial's golden vectors were answered on this device."""
    gate_s: Annotated[int, Meta(ge=0, le=86400)] = 0
    """How long the trial has to become healthy; 0: as its manifest says."""
    hold_s: Annotated[int, Meta(ge=0, le=86400)] = 0
    """How long it must stay so; 0: as its manifest says."""
    failures: Annotated[tuple[Failure, ...], Meta(max_length=KEPT_FAILURES)] = ()
    """The last ones, newest last."""

    @property
    def wanted(self) -> str:
        """The slot `current` should lead to, "" for none."""
        return self.trial or self.confirmed


def begin(
    state: State, slot: str, kind: Kind = "update", *, tested: bool = False, gate_s: int = 0, hold_s: int = 0
) -> State:
    """Put a slot on trial; a trial under way is given up for it. The slot that is confirmed needs no trial."""
    if slot == state.confirmed:
        return replace(state, trial="", kind="update", attempts=0, tested=False, gate_s=0, hold_s=0)
    kept = tuple(one for one in state.failures if one.slot != slot)
    return replace(state, trial=slot, kind=kind, attempts=0, tested=tested, gate_s=gate_s, hold_s=hold_s, failures=kept)


def most_attempts(state: State) -> int:
    """Return how often the trial may be started. Whoever watches it wants to know at once, and mends it by hand."""
    return 1 if state.kind == "watch" else MOST_ATTEMPTS


def times(state: State) -> str:
    """Return how often the trial was started, in words."""
    return "once" if state.attempts == 1 else f"{state.attempts} times"


def attempt(state: State, utc: str) -> State:
    """Count a start that is about to happen; the one too many reverts."""
    if not state.trial:
        return state
    if state.attempts >= most_attempts(state):
        return revert(state, f"started {times(state)} without becoming healthy", utc)
    return replace(state, attempts=state.attempts + 1)


def confirm(state: State) -> State:
    """Make the trial the good one."""
    if not state.trial:
        return state
    previous = state.confirmed or state.previous
    return State(confirmed=state.trial, previous=previous, failures=state.failures)


def revert(state: State, reason: str, utc: str) -> State:
    """Give the trial up and note why."""
    if not state.trial:
        return state
    failure = Failure(state.trial, reason[:1000], state.attempts, utc)
    failures = (*(one for one in state.failures if one.slot != state.trial), failure)[-KEPT_FAILURES:]
    return State(confirmed=state.confirmed, previous=state.previous, failures=failures)


def roll_back(state: State) -> State:
    """Put the version before the confirmed one on trial.

    Raises:
        UsageError: there is none.
    """
    if not state.previous:
        raise UsageError(
            "no earlier version is kept on the device", hint="edge-sdk flash OLDER.edgeb --allow-downgrade"
        )
    return begin(state, state.previous, "rollback", tested=True)


def load_state(path: Path) -> State:
    """Return the state; an application nobody has installed has an empty one.

    Raises:
        ConfigError: the file is damaged; nothing is guessed.
    """
    try:
        data = durable.read(path, MAX_STATE_BYTES)
    except TargetNotFoundError:
        return State()
    try:
        found = msgspec.json.decode(data)
        if not isinstance(found, dict) or not found.keys() >= _NEEDED:
            raise ValueError(f"expected an object with {', '.join(sorted(_NEEDED))}")
        return msgspec.convert(found, State)
    except (ValueError, RecursionError) as fault:  # msgspec's errors and UnicodeError are ValueErrors
        raise ConfigError(f"{path}: malformed: {fault}") from None


def save_state(path: Path, state: State) -> None:
    """Replace the file, whole or not at all, on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.write(path, canonical.encode(state))
