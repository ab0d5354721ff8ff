"""The switch between versions: state.json says what is wanted, `current` follows it, and both change whole.

    lock state.json -- load -- change (pure) -- save, fsync -- let `current` follow, fsync -- unlock
                                              ^ a crash here is mended by whoever comes next: `follow` again

Everybody who changes a state does it through `change_state`: the operator's verbs, the chooser before each start, the
gate that judges. So a verdict and a new order cannot cross.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_sdk.errors import BusyError, RollbackError
from edge_sdk.units import rfc3339, utc_now
from firmware_tools.update.agent import adopt_site
from firmware_tools.update.folders import make_folders, point, remove_link, writing
from firmware_tools.update.layout import HEAD, Layout
from firmware_tools.update.site import linked_site
from firmware_tools.update.slot import accept, read_head
from firmware_tools.update.state import State, confirm, load_state, revert, save_state

#: A change takes milliseconds; who holds the lock longer is stuck.
PATIENCE_S = 5.0
_POLL_S = 0.02


def change_state(layout: Layout, name: str, change: Callable[[State], State]) -> State:
    """Change the state of an application and let `current` follow; return the new state.

    A trial whose slot is not on the device is given up: nothing could start it.

    Raises:
        BusyError: another process has been changing it for seconds.
        ConfigError: the state is damaged; nothing is guessed.
        TransferError, AccessDeniedError: the disk failed; the old or the new state is there, whole.
        RollbackError: the slot that should run is not there.
    """
    with locked(layout, name):
        return _change(layout, name, change)


def follow(layout: Layout, name: str, state: State) -> bool:
    """Let `current` lead to the slot that is wanted; return whether it did not before.

    Raises:
        RollbackError: that slot is not there; `current` stays.
    """
    current = layout.current(name)
    if not state.wanted:
        return remove_link(current)
    if not _is_there(layout, name, state.wanted):
        raise RollbackError(f"{name}: the version {state.wanted} should run, but is not there", hint="edge-sdk flash")
    return point(current, f"slots/{state.wanted}")


def confirm_trial(layout: Layout, name: str, slot: str = "") -> State:
    """Make the trial the good version; from now on nothing older is accepted, and its site is the device's side.

    Args:
        layout: of the device.
        name: of the application.
        slot: only this one, on trial or confirmed already: who judged it does not know what is on trial by now; "" for
            whichever it is.

    The counter comes first: after a crash in between, an accepted version that is still on trial is harmless, a
    confirmed one whose counter nobody remembers is not. Without a trial, what a crash has left undone is done.
    """
    with locked(layout, name):
        state = load_state(layout.state(name))
        if slot not in ("", state.trial or state.confirmed):
            return state
        if good := state.trial or state.confirmed:
            accept(layout, read_head(layout, name, good))
        state = _change(layout, name, confirm)
    if state.confirmed and not state.trial:
        adopt_site(layout, linked_site(layout.slot(name, state.confirmed)))
    return state


def revert_trial(layout: Layout, name: str, reason: str) -> State:
    """Give the trial up and say why; `current` leads to the confirmed version again."""
    return change_state(layout, name, lambda state: revert(state, reason, rfc3339(utc_now())))


def _change(layout: Layout, name: str, change: Callable[[State], State]) -> State:
    old = load_state(layout.state(name))
    new = change(old)
    if new.trial and not _is_there(layout, name, new.trial):
        new = revert(new, "its files are not on the device", rfc3339(utc_now()))
    if new != old:
        with writing(layout.state(name)):
            save_state(layout.state(name), new)
    follow(layout, name, new)
    return new


def _is_there(layout: Layout, name: str, slot: str) -> bool:
    return (layout.slot(name, slot) / HEAD).is_file()


@contextmanager
def locked(layout: Layout, name: str) -> Iterator[None]:
    """Be the only one who changes the state of an application.

    Raises:
        BusyError: another process has been for seconds.
    """
    path = layout.state_lock(name)
    make_folders(path.parent)
    with writing(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _wait_for(handle, name)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, name: str) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= give_up_s:
                raise BusyError(f"{name}: another process is changing its state", hint="try again") from None
        time.sleep(_POLL_S)
