"""Whatever fails in the middle of a switch: the old or the new version runs, whole, and the next try ends it."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_sdk.errors import BusyError, ConfigError, RollbackError, TransferError, VerificationError
from firmware_tools.sign import TrustStore
from firmware_tools.update import agent, switch
from firmware_tools.update.folders import PART, set_aside
from firmware_tools.update.layout import HEAD, Layout
from firmware_tools.update.slot import build_slot, kept_slots, verify_slot
from firmware_tools.update.state import State, begin, confirm, load_state, roll_back
from firmware_tools.update.switch import change_state, confirm_trial, follow, revert_trial
from tests.unit.firmware_tools.update.devices import APP, WHEELS, App, Device, device, fault_at

__all__ = ["device"]


@pytest.fixture(autouse=True)
def sites_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are not tried out here; one test does."""
    monkeypatch.setattr(agent, "serves", lambda layout, site: True)


def install(device: Device, app: App) -> None:
    device.send(app)
    build_slot(device.layout, app.head, app.site)


def two_versions(device: Device) -> tuple[App, App]:
    """The first one confirmed, the second one there."""
    old = device.bundle("1.0.0", wheels=WHEELS)
    new = device.bundle("2.0.0", model=b"two", wheels={**WHEELS, "more-1-py3-none-any.whl": b"more"})
    install(device, old)
    install(device, new)
    change_state(device.layout, APP, lambda state: begin(state, old.slot))
    confirm_trial(device.layout, APP)
    return old, new


def state_of(layout: Layout) -> State:
    return load_state(layout.state(APP))


def agent_of(layout: Layout) -> str:
    return os.readlink(layout.agent) if layout.agent.is_symlink() else ""


def test_current_follows_the_state(device: Device) -> None:
    old, new = two_versions(device)
    layout = device.layout
    assert os.readlink(layout.current(APP)) == f"slots/{old.slot}"
    change_state(layout, APP, lambda state: begin(state, new.slot))
    assert layout.current_slot(APP) == new.slot
    assert not follow(layout, APP, state_of(layout))
    layout.current(APP).unlink()
    assert follow(layout, APP, state_of(layout))
    assert layout.current_slot(APP) == new.slot
    revert_trial(layout, APP, "silent")
    assert layout.current_slot(APP) == old.slot
    (failure,) = state_of(layout).failures
    assert (failure.slot, failure.reason) == (new.slot, "silent")


def test_when_the_first_version_is_given_up_nothing_runs(device: Device) -> None:
    app = device.bundle()
    install(device, app)
    change_state(device.layout, APP, lambda state: begin(state, app.slot))
    revert_trial(device.layout, APP, "silent")
    assert not device.layout.current(APP).is_symlink()
    assert state_of(device.layout).wanted == ""


def test_only_a_confirmed_version_counts_and_moves_the_agent(device: Device) -> None:
    old, new = two_versions(device)
    layout, trust = device.layout, TrustStore(device.layout.trust)
    assert agent_of(layout) == f"sites/{old.site}"
    change_state(layout, APP, lambda state: begin(state, new.slot))
    assert trust.counter(APP).counter == 1  # type: ignore[union-attr]
    assert agent_of(layout) == f"sites/{old.site}"
    state = confirm_trial(layout, APP)
    assert (state.confirmed, state.previous) == (new.slot, old.slot)
    assert trust.counter(APP).counter == 2  # type: ignore[union-attr]
    assert agent_of(layout) == f"sites/{new.site}"
    change_state(layout, APP, roll_back)
    assert confirm_trial(layout, APP).previous == new.slot
    assert trust.counter(APP).counter == 2  # type: ignore[union-attr]


def test_confirming_again_does_what_a_crash_left_undone(device: Device) -> None:
    old, new = two_versions(device)
    change_state(device.layout, APP, lambda state: confirm(begin(state, new.slot)))
    assert agent_of(device.layout) == f"sites/{old.site}"
    confirm_trial(device.layout, APP)
    assert agent_of(device.layout) == f"sites/{new.site}"
    assert TrustStore(device.layout.trust).counter(APP).counter == 2  # type: ignore[union-attr]


def test_the_agent_stays_with_packages_that_work(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    old, new = two_versions(device)
    layout = device.layout
    broken = layout.sites / new.site / "cryptography/__init__.py"
    assert agent_of(layout) == f"sites/{old.site}"
    broken.parent.mkdir()
    broken.write_text("raise ImportError('made for another processor')")
    assert not agent.serves(layout, new.site)
    change_state(layout, APP, lambda state: begin(state, new.slot))
    assert confirm_trial(layout, APP).confirmed == new.slot
    assert agent_of(layout) == f"sites/{old.site}"


def test_a_trial_that_is_not_there_is_given_up(device: Device) -> None:
    old, new = two_versions(device)
    change_state(device.layout, APP, lambda state: begin(state, new.slot))
    set_aside(device.layout.slot(APP, new.slot))
    after = change_state(device.layout, APP, lambda state: state)
    assert (after.wanted, after.failures[-1].slot) == (old.slot, new.slot)
    assert "not on the device" in after.failures[-1].reason
    assert device.layout.current_slot(APP) == old.slot
    set_aside(device.layout.slot(APP, old.slot))
    device.layout.current(APP).unlink()
    with pytest.raises(RollbackError, match="should run, but is not there"):
        change_state(device.layout, APP, lambda state: state)


def test_a_damaged_trial_is_not_confirmed(device: Device) -> None:
    old, new = two_versions(device)
    change_state(device.layout, APP, lambda state: begin(state, new.slot))
    (device.layout.slot(APP, new.slot) / HEAD).write_bytes(b"EDGEB")
    with pytest.raises(VerificationError, match="damaged"):
        confirm_trial(device.layout, APP)
    assert state_of(device.layout).confirmed == old.slot


def test_two_do_not_change_one_state(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    two_versions(device)
    monkeypatch.setattr(switch, "PATIENCE_S", 0.1)
    with device.layout.state_lock(APP).open("r+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another process"):
            revert_trial(device.layout, APP, "")
    revert_trial(device.layout, APP, "")


def test_a_damaged_state_changes_nothing(device: Device) -> None:
    old, _ = two_versions(device)
    device.layout.state(APP).write_text("{}")
    with pytest.raises(ConfigError):
        revert_trial(device.layout, APP, "")
    assert device.layout.current_slot(APP) == old.slot


def test_what_is_no_link_is_not_replaced(device: Device) -> None:
    app = device.bundle()
    install(device, app)
    device.layout.current(APP).mkdir()
    (device.layout.current(APP) / "mine").write_text("")
    with pytest.raises(TransferError, match="current"):
        change_state(device.layout, APP, lambda state: begin(state, app.slot))
    assert (device.layout.current(APP) / "mine").exists()


def whole_update(layout: Layout, app: App) -> None:
    """Everything that changes the device when a version comes, runs well and stays."""
    build_slot(layout, app.head, app.site)
    change_state(layout, APP, lambda state: state if state.confirmed == app.slot else begin(state, app.slot))
    confirm_trial(layout, APP)


def check_old_or_new(layout: Layout, old: App, new: App) -> str:
    """What a reboot finds; returns the slot that runs then."""
    state = state_of(layout)
    assert state.confirmed in (old.slot, new.slot)
    follow(layout, APP, state)
    running = layout.current_slot(APP)
    assert running == state.wanted
    for slot in kept_slots(layout, APP):
        verify_slot(layout, APP, slot)
    app = {old.slot: old, new.slot: new}[running]
    for path, data in app.files.items():
        assert (layout.current(APP) / path).read_bytes() == data
    if state.confirmed == new.slot:
        assert TrustStore(layout.trust).counter(APP).counter == 2  # type: ignore[union-attr]
    return running


def prepared(device: Device) -> tuple[App, App]:
    """The old version runs; what the new one needs was sent."""
    old, new = two_versions(device)
    shutil.rmtree(device.layout.slot(APP, new.slot))
    return old, new


def back_to_the_start(device: Device, old: App, new: App) -> None:
    """Undo an update, for the next experiment."""
    layout = device.layout
    shutil.rmtree(layout.slot(APP, new.slot))
    layout.state(APP).unlink()
    (layout.trust / f"counters/{APP}.json").unlink()
    change_state(layout, APP, lambda state: begin(state, old.slot))
    confirm_trial(layout, APP)


def in_a_child(work: Callable[[], None]) -> int:
    """Run in a forked process; return its id. It never comes back into the test."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def test_power_cut_at_every_change(device: Device) -> None:
    old, new = prepared(device)
    number, survived = 0, False
    while not survived:
        number += 1

        def work(at: int = number) -> None:
            with fault_at(at, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                whole_update(device.layout, new)

        _, status = os.waitpid(in_a_child(work), 0)
        survived = not os.WIFSIGNALED(status)
        assert not os.WEXITSTATUS(status)
        check_old_or_new(device.layout, old, new)
        whole_update(device.layout, new)
        assert check_old_or_new(device.layout, old, new) == new.slot
        assert not [one for one in device.layout.slots(APP).iterdir() if one.name.startswith(PART)]
        assert agent_of(device.layout) == f"sites/{new.site}"
        back_to_the_start(device, old, new)
    assert number > 40


def test_killed_at_random_moments(device: Device) -> None:
    old, new = prepared(device)
    began_s = time.perf_counter()
    whole_update(device.layout, new)
    span_s = time.perf_counter() - began_s
    dice, killed = random.Random(7), 0
    for _ in range(60):
        if device.layout.slot(APP, new.slot).exists():
            back_to_the_start(device, old, new)
        child = in_a_child(lambda: whole_update(device.layout, new))
        time.sleep(dice.uniform(0, span_s))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        assert not os.WEXITSTATUS(status)
        killed += os.WIFSIGNALED(status)
        check_old_or_new(device.layout, old, new)
    whole_update(device.layout, new)
    assert check_old_or_new(device.layout, old, new) == new.slot
    assert killed > 10


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_whichever_change_fails_the_old_or_the_new_version_runs(device: Device, code: int) -> None:
    old, new = prepared(device)
    number, done = 0, False

    def fail() -> None:
        raise OSError(code, os.strerror(code))

    while not done:
        number += 1
        with fault_at(number, fail) as calls:
            try:
                whole_update(device.layout, new)
                done = len(calls) < number
            except TransferError:
                done = False
        check_old_or_new(device.layout, old, new)
        whole_update(device.layout, new)
        assert check_old_or_new(device.layout, old, new) == new.slot
        back_to_the_start(device, old, new)
    assert number > 40


def test_a_switch_never_leaves_current_absent(device: Device, tmp_path: Path) -> None:
    old, new = two_versions(device)
    layout, seen = device.layout, set[str]()
    for slot in (new.slot, old.slot):
        number, finished = 0, False
        while not finished:
            number += 1
            with fault_at(number, lambda: seen.add(layout.current_slot(APP))) as calls:
                change_state(layout, APP, lambda state, slot=slot: begin(state, slot))
            finished = len(calls) < number
            change_state(layout, APP, lambda state, slot=slot: begin(state, new.slot if slot == old.slot else old.slot))
    assert seen == {old.slot, new.slot}
