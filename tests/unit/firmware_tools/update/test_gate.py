"""The gate, on a clock of its own: what it waits for, what it gives up, and what it does about failures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edge_sdk.errors import TransferError, VerificationError
from edge_sdk.health import HealthReport, SinkHealth, SourceHealth
from firmware_tools.bundle.manifest import Health
from firmware_tools.update import gate as gate_module
from firmware_tools.update import selftest, switch
from firmware_tools.update.boot.base import Service
from firmware_tools.update.gate import LINGERS_S, Gate, Seen, look
from firmware_tools.update.health import Rules
from firmware_tools.update.note import Note, read_note, write_note
from firmware_tools.update.slot import build_slot
from firmware_tools.update.state import State, begin, load_state
from firmware_tools.update.switch import change_state, confirm_trial
from tests.unit.firmware_tools.update.devices import APP, App, Device, FakeBoot, device

__all__ = ["device"]

PID = 812
HEALTH = Health(gate_s=20, hold_s=4, latency_p99_ms=0, sources=("accel",), offline=False)


class EndOfTest(BaseException):
    """The scene is over; no handler of the gate's may take it for a fault."""


@dataclass
class World:
    """A device with a clock, whose application behaves as a function of time says."""

    device: Device
    old: App
    new: App
    boot: FakeBoot = field(default_factory=FakeBoot)
    now_s: float = 1000.0
    lines: list[str] = field(default_factory=list)
    seen: Callable[[float], Seen] = lambda seconds: healthy(seconds)
    events: dict[float, Callable[[], None]] = field(default_factory=dict)
    most_s: float = 300.0
    looks: int = 0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        if self.now_s > 1000.0 + self.most_s:
            raise EndOfTest
        for at_s in [at_s for at_s in self.events if self.now_s - 1000.0 >= at_s]:
            self.events.pop(at_s)()

    def observe(self, slot: str) -> Seen:
        self.looks += 1
        return self.seen(self.now_s - 1000.0)

    def run(self) -> int:
        return Gate(
            self.device.layout, APP, self.boot, clock=lambda: self.now_s, sleep=self.sleep, observe=self.observe,
            say=self.lines.append,
        ).run()  # fmt: skip

    @property
    def state(self) -> State:
        return load_state(self.device.layout.state(APP))

    def begin(self, app: App, **options: Any) -> None:
        options = {"tested": True, **options}
        change_state(self.device.layout, APP, lambda state: begin(state, app.slot, **options))
        self.start()

    def start(self) -> None:
        change_state(self.device.layout, APP, lambda state: replace(state, attempts=state.attempts + 1))


def healthy(seconds: float, *, pid: int = PID, rate: float = 10.0, until_s: float = 1e9, memory: int = 50) -> Seen:
    """An application that has given results at a rate from second 0, until a moment."""
    count = int(rate * max(0.0, min(seconds, until_s)))
    report = HealthReport(
        schema=1,
        pid=pid,
        started_s=1000.0,
        at_s=1000.0 + seconds,
        results=count,
        p99_ms=1.0,
        faults=0,
        sources={"accel": SourceHealth(count, 1.0)},
        sinks={"sinks[0]": SinkHealth(count, 0)},
    )
    return Seen(Service(running=True, pid=pid, starts=0, detail="active"), report, memory, ours=True)


def stopped(detail: str = "failed", failed: str = "") -> Seen:
    return Seen(Service(running=False, pid=0, starts=0, detail=detail, failed=failed), None, 0, ours=True)


@pytest.fixture
def world(device: Device) -> World:
    """Version 1 confirmed, version 2 on trial and started."""
    old, new = (device.bundle(f"{number}.0.0", model=b"%d" % number, health=HEALTH) for number in (1, 2))
    for app in (old, new):
        device.send(app)
        build_slot(device.layout, app.head, app.site)
    change_state(device.layout, APP, lambda state: begin(state, old.slot))
    confirm_trial(device.layout, APP)
    found = World(device, old, new)
    found.begin(new)
    return found


def reason(world: World) -> str:
    return world.state.failures[-1].reason


def test_a_version_that_stays_healthy_is_confirmed_after_the_hold(world: World) -> None:
    assert world.run() == 0
    assert (world.state.confirmed, world.state.previous, world.state.trial) == (world.new.slot, world.old.slot, "")
    assert 4.0 <= world.now_s - 1000.0 <= 6.5
    assert world.lines == [f"{APP}: {world.new.slot} is healthy and confirmed"]
    assert world.boot.asked == []
    assert read_note(world.device.layout, APP) is None


def test_without_a_hold_it_is_enough_that_everything_has_risen_once(device: Device) -> None:
    app = device.bundle(health=replace(HEALTH, hold_s=0))
    device.send(app)
    build_slot(device.layout, app.head, app.site)
    world = World(device, app, app)
    world.begin(app)
    assert world.run() == 0
    assert world.state.confirmed == app.slot
    assert world.now_s - 1000.0 == 1.0


def test_without_a_trial_it_ends_at_once(world: World) -> None:
    confirm_trial(world.device.layout, APP)
    assert world.run() == 0
    assert (world.looks, world.lines, world.now_s) == (0, [], 1000.0)


def test_an_application_nobody_has_installed_has_no_trial(world: World) -> None:
    assert Gate(world.device.layout, "stranger", world.boot, sleep=world.sleep).run() == 0


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (lambda s: healthy(s, rate=0), "source accel has given nothing new"),
        (lambda s: stopped("activating (auto-restart)"), "it does not run: activating (auto-restart)"),
        (lambda s: healthy(s, until_s=2.0), "source accel has given nothing new"),
        (lambda s: replace_seen(healthy(s), report=None), "no report of its health"),
        (lambda s: replace_seen(healthy(s), ours=False), f"process {PID} is not of this version"),
    ],
)
def test_what_is_not_healthy_in_time_is_given_up_and_the_old_version_restarted(
    world: World, seen: Callable[[float], Seen], text: str
) -> None:
    world.seen = seen
    assert world.run() == 0
    assert (world.state.confirmed, world.state.trial) == (world.old.slot, "")
    assert world.device.layout.current_slot(APP) == world.old.slot
    assert reason(world) == f"not healthy within 20 s: {text}"
    assert 20.0 <= world.now_s - 1000.0 <= 21.0
    assert world.boot.asked == [("reload",), ("restart", APP)]
    assert len(world.lines) == 1


def replace_seen(seen: Seen, **changes: Any) -> Seen:
    return dataclasses.replace(seen, **changes)


def test_processes_that_live_too_short_to_be_judged_are_given_up(world: World) -> None:
    world.seen = lambda seconds: healthy(seconds, pid=PID + int(seconds) // 3)
    world.run()
    assert "restarted: process" in reason(world)
    assert world.now_s - 1000.0 < 20.0 + 4.0


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (lambda s: healthy(s, memory=50 if s < 2 else 999), "memory 999 MiB is above 256 MiB"),
        (lambda s: stopped(failed="systemd has given it up: exit-code"), "systemd has given it up: exit-code"),
    ],
)
def test_what_is_fatal_is_given_up_at_once(world: World, seen: Callable[[float], Seen], text: str) -> None:
    world.seen = seen
    world.run()
    assert reason(world) == text
    assert world.now_s - 1000.0 < 3.0


def test_falling_silent_during_the_hold_is_not_healthy(world: World) -> None:
    world.seen = lambda seconds: healthy(seconds, until_s=1.5)
    world.run()
    assert world.state.confirmed == world.old.slot


def test_trouble_during_the_hold_begins_it_anew(world: World) -> None:
    world.seen = lambda seconds: stopped() if 3.0 <= seconds < 3.5 else healthy(seconds)
    world.run()
    assert world.state.confirmed == world.new.slot
    assert world.now_s - 1000.0 >= 3.5 + 4.0


def test_results_that_come_more_seldom_than_the_hold_is_long_are_waited_for(world: World) -> None:
    world.seen = lambda seconds: healthy(seconds, rate=1 / 6)
    world.run()
    assert world.state.confirmed == world.new.slot


def test_a_hold_that_began_in_time_may_end_after_the_gate(world: World) -> None:
    world.seen = lambda seconds: healthy(seconds, rate=10 if seconds >= 18 else 0)
    world.run()
    assert world.state.confirmed == world.new.slot
    assert world.now_s - 1000.0 > 20.0


def test_evidence_of_an_earlier_process_does_not_count(world: World) -> None:
    """The old version goes on running for a moment after the switch, and is in the best of health."""
    change_state(world.device.layout, APP, lambda state: replace(state, attempts=0))
    world.events[8.0] = world.start
    world.seen = lambda seconds: healthy(seconds, pid=PID - 1) if seconds < 8.0 else healthy(seconds, rate=0)
    world.run()
    assert world.state.confirmed == world.old.slot


def test_a_new_trial_is_judged_from_its_own_beginning(world: World) -> None:
    third = world.device.bundle("3.0.0", model=b"3", health=HEALTH)
    world.device.send(third)
    build_slot(world.device.layout, third.head, third.site)
    world.seen = lambda seconds: healthy(seconds, rate=0) if seconds < 30 else healthy(seconds)
    world.events[15.0] = lambda: world.begin(third)
    world.run()
    assert world.state.confirmed == third.slot
    assert world.now_s - 1000.0 > 30.0


def test_the_same_version_put_on_trial_again_gets_its_whole_time(world: World) -> None:
    world.seen = lambda seconds: healthy(seconds, rate=0) if seconds < 30 else healthy(seconds)
    world.events[15.0] = lambda: change_state(world.device.layout, APP, lambda state: replace(state, attempts=0))
    world.events[16.0] = world.start
    world.run()
    assert world.state.confirmed == world.new.slot


def test_the_state_may_name_other_times_than_the_manifest(world: World) -> None:
    world.begin(world.new, gate_s=5, hold_s=2)
    world.seen = lambda seconds: stopped()
    world.run()
    assert 5.0 <= world.now_s - 1000.0 <= 6.0


def test_a_first_version_that_is_not_healthy_is_stopped(device: Device) -> None:
    app = device.bundle(health=HEALTH)
    device.send(app)
    build_slot(device.layout, app.head, app.site)
    world = World(device, app, app, seen=lambda seconds: stopped())
    world.begin(app)
    world.run()
    assert world.boot.asked == [("reload",), ("stop", APP)]
    assert device.layout.current_slot(APP) == ""


def test_golden_vectors_are_asked_first_and_a_wrong_answer_reverts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> int:
        raise VerificationError("models/m.wasm: output 0 is not the recorded one (exact)")

    monkeypatch.setattr(selftest, "selftest", wrong)
    world.begin(world.old)  # forget the trial
    world.begin(world.new, tested=False)
    world.run()
    assert reason(world) == "its golden vectors: models/m.wasm: output 0 is not the recorded one (exact)"
    assert world.looks == 0
    assert world.boot.asked == [("reload",), ("restart", APP)]


def test_the_time_of_the_golden_vectors_does_not_count_against_the_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def slow(_layout: object, _name: str, slot: str) -> int:
        asked.append(slot)
        world.now_s += 19.0
        return 1

    monkeypatch.setattr(selftest, "selftest", slow)
    world.begin(world.old)
    world.begin(world.new, tested=False)
    world.seen = lambda seconds: healthy(seconds, rate=0) if seconds < 30 else healthy(seconds)
    world.run()
    assert world.state.confirmed == world.new.slot
    assert asked == [world.new.slot]


def test_a_slot_that_cannot_be_read_is_given_up(world: World) -> None:
    (world.device.layout.slot(APP, world.new.slot) / "sealed.head").write_bytes(b"junk")
    world.run()
    assert "its files cannot be read" in reason(world)
    assert world.device.layout.current_slot(APP) == world.old.slot


def test_an_unreadable_state_is_waited_for_and_then_left_to_the_next_gate(world: World) -> None:
    path = world.device.layout.state(APP)
    whole = path.read_bytes()
    path.write_bytes(b"{")
    world.events[30.0] = lambda: path.write_bytes(whole) and None
    assert world.run() == 0
    assert world.state.confirmed == world.new.slot
    path.write_bytes(b"{")
    assert world.run() == TransferError.exit_code
    assert len(world.lines) == 2


class Stubborn(FakeBoot):
    """Fails a number of times first."""

    def __init__(self, failures: dict[str, int], **options: bool) -> None:
        super().__init__(**options)
        self.failures = failures

    def _maybe(self, what: str) -> None:
        if self.failures.get(what, 0) > 0:
            self.failures[what] -= 1
            raise TransferError(f"systemctl {what}: exit code 1")

    def reload(self) -> None:
        super().reload()
        self._maybe("reload")

    def restart(self, name: str) -> None:
        super().restart(name)
        self._maybe("restart")


def test_a_restart_that_fails_is_tried_again_until_it_succeeds(world: World) -> None:
    world.seen, world.boot, world.most_s = (lambda seconds: stopped(failed="gone")), Stubborn({"restart": 7}), 3600
    assert world.run() == 0
    assert world.boot.asked.count(("restart", APP)) == 8
    assert world.boot.failures["restart"] == 0  # type: ignore[attr-defined]
    assert world.lines[1].endswith("tried again in 1 s")
    assert world.lines[7].endswith("tried again in 60 s")


def test_service_files_that_cannot_be_read_again_do_not_hold_up_the_restart_for_ever(world: World) -> None:
    world.seen, world.boot = (lambda seconds: stopped(failed="gone")), Stubborn({"reload": 99})
    assert world.run() == 0
    assert world.boot.asked[-1] == ("restart", APP)


def test_a_disk_that_is_full_for_a_while_delays_the_revert(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    left, real = [3], switch.save_state

    def full(path: Path, state: State) -> None:
        if left[0]:
            left[0] -= 1
            raise TransferError(f"{path}: cannot be written: No space left on device")
        real(path, state)

    monkeypatch.setattr(switch, "save_state", full)
    world.seen = lambda seconds: stopped(failed="gone")
    world.run()
    assert world.state.trial == ""
    assert world.boot.asked == [("reload",), ("restart", APP)]


def test_on_a_full_disk_a_bad_version_is_ended_though_it_cannot_be_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the one who fills the disk. Whoever cannot count its next start starts the confirmed version."""

    def full(path: Path, _state: State) -> None:
        raise TransferError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(switch, "save_state", full)
    bad, old = healthy(1.0, memory=500), dataclasses.replace(healthy(1.0, pid=PID + 1), ours=False)
    world.seen = lambda seconds: old if ("restart", APP) in world.boot.asked else bad
    monkeypatch.setattr(gate_module, "rules_of", lambda manifest: Rules(memory_mib=100))
    with pytest.raises(EndOfTest):
        world.run()
    assert world.boot.asked == [("restart", APP)]


def test_on_a_full_disk_golden_vectors_are_asked_once_and_the_version_is_judged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(selftest, "selftest", lambda layout, name, slot: asked.append(slot))
    change_state(world.device.layout, APP, lambda state: replace(state, tested=False))
    real, left = switch.save_state, [8]

    def full(path: Path, state: State) -> None:
        if left[0]:
            left[0] -= 1
            raise TransferError(f"{path}: cannot be written: No space left on device")
        real(path, state)

    monkeypatch.setattr(switch, "save_state", full)
    world.run()
    assert asked == [world.new.slot]
    assert world.state.confirmed == world.new.slot


def test_finishing_a_confirmation_never_confirms_a_trial_that_has_begun_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = world.device.bundle("3.0.0", model=b"3", health=HEALTH)
    world.device.send(third)
    build_slot(world.device.layout, third.head, third.site)
    confirm_trial(world.device.layout, APP)
    write_note(world.device.layout, APP, Note(world.new.slot, 1, 1000.0, "healthy"))
    real = switch.confirm_trial

    def late(*arguments: Any) -> State:
        world.begin(third)
        return real(*arguments)

    monkeypatch.setattr(switch, "confirm_trial", late)
    world.run()
    assert (world.state.confirmed, world.state.trial) == (world.new.slot, third.slot)


def test_a_version_that_was_given_up_by_hand_is_ended_when_whoever_did_it_was_cut_off(world: World) -> None:
    world.events = {3.0: lambda: _revert(world)}
    assert world.run() == 0
    assert world.boot.asked == [("reload",), ("restart", APP)]
    assert world.now_s - 1000.0 >= LINGERS_S


def test_a_version_that_was_given_up_by_hand_is_left_to_who_did_it(world: World) -> None:
    world.events = {3.0: lambda: _revert(world)}
    world.seen = lambda seconds: healthy(seconds) if seconds < 8 else stopped()
    assert world.run() == 0
    assert world.boot.asked == []


def _revert(world: World) -> None:
    switch.revert_trial(world.device.layout, APP, "given up by the operator")


def test_what_cannot_be_confirmed_is_given_up_in_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise VerificationError("no")

    monkeypatch.setattr(switch, "confirm_trial", refused)
    world.run()
    assert reason(world) == "it cannot be confirmed: no"


def test_nobody_answering_for_the_services_is_not_healthy(world: World) -> None:
    def silent(_seconds: float) -> Seen:
        raise TransferError("systemctl show: no answer within 30 s")

    world.seen = silent
    world.run()
    assert reason(world).endswith("it does not run: systemctl show: no answer within 30 s")


def test_a_gate_that_was_killed_goes_on_with_the_same_deadline(world: World) -> None:
    world.seen = lambda seconds: stopped()
    world.most_s = 15.0
    with pytest.raises(EndOfTest):
        world.run()
    world.most_s = 300.0
    world.run()
    assert 20.0 <= world.now_s - 1000.0 <= 22.0


@pytest.mark.parametrize("moment", ["before the revert", "after the revert"])
def test_a_gate_killed_while_it_reverts_leaves_the_restart_to_the_next(world: World, moment: str) -> None:
    write_note(world.device.layout, APP, Note(world.new.slot, 1, 999.0, "hangs", owed=True))
    if moment == "after the revert":
        switch.revert_trial(world.device.layout, APP, "hangs")
    world.seen = lambda seconds: stopped(failed="hangs")
    world.run()
    assert (world.state.confirmed, world.state.trial) == (world.old.slot, "")
    assert world.boot.asked == [("reload",), ("restart", APP)]
    assert read_note(world.device.layout, APP) is None


def test_a_debt_of_an_older_trial_is_not_paid_with_a_new_one(world: World) -> None:
    write_note(world.device.layout, APP, Note(world.old.slot, 1, 999.0, "hangs", owed=True))
    world.run()
    assert world.state.confirmed == world.new.slot
    assert world.boot.asked == []


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'{"slot":1}', b"\xff" * 100, b"{" * 20000])
def test_a_damaged_note_is_no_note(world: World, data: bytes) -> None:
    path = world.device.layout.beside(APP, "gate")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    assert world.run() == 0
    assert world.state.confirmed == world.new.slot


def test_a_look_at_a_process_of_another_version_says_so(world: World) -> None:
    world.boot.running = True
    assert not look(world.device.layout, APP, world.new.slot, world.boot).ours


def test_the_last_verdict_is_noted_for_whoever_counts_the_starts(world: World) -> None:
    world.seen, world.most_s = (lambda seconds: healthy(seconds, rate=0)), 3.0
    with pytest.raises(EndOfTest):
        world.run()
    note = read_note(world.device.layout, APP)
    assert note is not None
    assert note.text == "source accel has given nothing new"


def test_a_start_under_way_does_not_hide_how_the_last_one_ended(world: World) -> None:
    starting = Service(running=False, pid=0, starts=1, detail="activating (start-pre)", starting=True)
    seen = Seen(starting, None, 0, ours=True)
    world.seen = lambda seconds: seen if seconds > 2 else stopped("activating (auto-restart), exit-code")
    world.most_s = 3.0
    with pytest.raises(EndOfTest):
        world.run()
    note = read_note(world.device.layout, APP)
    assert note is not None
    assert note.text == "it does not run: activating (auto-restart), exit-code"


def test_the_door_takes_the_lock_and_the_boot_chooser(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm_trial(world.device.layout, APP)
    assert gate_module.gate(world.device.layout, APP) == 0
