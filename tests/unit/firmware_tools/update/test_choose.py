"""What may start: counted trials, and what is confirmed whatever is broken."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from edge_sdk.errors import TransferError
from firmware_tools.update import switch
from firmware_tools.update.choose import Choice, choose, next_start
from firmware_tools.update.note import Note, write_note
from firmware_tools.update.slot import build_slot
from firmware_tools.update.state import MOST_ATTEMPTS, State, begin, load_state, save_state
from firmware_tools.update.switch import change_state, confirm_trial, revert_trial
from tests.unit.firmware_tools.update.devices import APP, App, Device, FakeBoot, device

__all__ = ["device"]

AGAIN = [("reload",), ("restart", APP)]


class Scene:
    """Version 1 confirmed, version 2 there."""

    def __init__(self, device: Device) -> None:
        self.layout = device.layout
        self.boot = FakeBoot()
        self.old, self.new = (self._installed(device, f"{number}.0.0") for number in (1, 2))
        change_state(self.layout, APP, lambda state: begin(state, self.old.slot))
        confirm_trial(self.layout, APP)

    def _installed(self, device: Device, version: str) -> App:
        app = device.bundle(version, model=version.encode())
        device.send(app)
        build_slot(device.layout, app.head, app.site)
        return app

    @property
    def state(self) -> State:
        return load_state(self.layout.state(APP))

    @property
    def current(self) -> str:
        return self.layout.current_slot(APP)

    def begin(self, attempts: int = 0) -> None:
        change_state(self.layout, APP, lambda state: replace(begin(state, self.new.slot), attempts=attempts))

    def point(self, slot: str) -> None:
        self.layout.current(APP).unlink(missing_ok=True)
        self.layout.current(APP).symlink_to(f"slots/{slot}")

    def choose(self) -> int:
        self.boot.asked.clear()
        return choose(self.layout, APP, self.boot)


@pytest.fixture
def scene(device: Device) -> Scene:
    return Scene(device)


@pytest.fixture
def disk_is_full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """No file can be written any more; links still can."""

    def full(path: object, _state: object) -> None:
        raise TransferError(f"{path}: cannot be written: No space left on device")

    return lambda: monkeypatch.setattr(switch, "save_state", full)


@pytest.fixture
def disk_is_read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def act() -> None:
        for name in ("open", "mkdir", "symlink", "rename", "replace", "unlink"):
            real = getattr(os, name)

            def call(*arguments: object, _real: Callable[..., object] = real, **options: object) -> object:
                flags = arguments[1] if len(arguments) > 1 and _real.__name__ == "open" else os.O_WRONLY
                return fail() if int(flags) & (os.O_WRONLY | os.O_RDWR) else _real(*arguments, **options)  # type: ignore[call-overload]

            monkeypatch.setattr(os, name, call)

    return act


def test_what_is_confirmed_starts_and_nothing_is_written(scene: Scene) -> None:
    before = scene.layout.state(APP).stat()
    assert scene.choose() == 0
    after = scene.layout.state(APP).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert scene.boot.asked == []


def test_each_start_of_a_trial_is_counted_before_it_happens(scene: Scene) -> None:
    scene.begin()
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert scene.choose() == 0
        assert (scene.state.attempts, scene.current) == (attempt, scene.new.slot)
        assert scene.boot.asked == [("judge", APP)]  # it may start because the old version died: nobody else would


def test_one_start_too_many_leads_back_and_asks_for_a_start_with_the_old_unit(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.begin(MOST_ATTEMPTS)
    write_note(scene.layout, APP, Note(scene.new.slot, 3, 1.0, "it does not run: failed (failed), exit-code"))
    assert scene.choose() == 1
    assert scene.boot.asked == AGAIN
    assert (scene.state.confirmed, scene.state.trial, scene.current) == (scene.old.slot, "", scene.old.slot)
    reason = "started 3 times without becoming healthy; lastly: it does not run: failed (failed), exit-code"
    assert scene.state.failures[-1].reason == reason
    assert reason in capsys.readouterr().err
    assert scene.choose() == 0


def test_a_version_that_is_watched_is_started_once(scene: Scene) -> None:
    change_state(scene.layout, APP, lambda state: begin(state, scene.new.slot, "watch"))
    assert scene.choose() == 0
    assert (scene.state.attempts, scene.current) == (1, scene.new.slot)
    assert scene.choose() == 1
    assert (scene.state.trial, scene.current) == ("", scene.old.slot)
    assert scene.state.failures[-1].reason == "started once without becoming healthy"


def test_what_a_version_has_left_in_its_folder_is_out_of_the_way_of_the_next(scene: Scene) -> None:
    run, outside = scene.layout.run(APP), scene.layout.root / "outside"
    for folder in (outside, scene.layout.health(APP) / "deep/er"):
        folder.mkdir(parents=True)
    (outside / "file").touch()
    (run / "link").symlink_to(outside)
    (run / "loop").symlink_to("loop")
    os.mkfifo(run / "pipe")
    with scene.layout.update_lock(APP).open("w"):
        assert scene.choose() == 0
    assert os.listdir(run) == ["update.lock"]
    assert os.listdir(outside) == ["file"]


def test_a_folder_that_is_too_deep_to_be_removed_does_not_keep_a_version_from_starting(scene: Scene) -> None:
    scene.layout.health(APP).mkdir(parents=True)
    handle = os.open(scene.layout.health(APP), os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("a", dir_fd=handle)
        inner = os.open("a", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    try:
        assert scene.choose() == 0
        assert not os.path.lexists(scene.layout.health(APP))
    finally:
        subprocess.run(["rm", "-rf", scene.layout.run(APP)], check=True)


def test_a_note_about_another_version_is_no_reason(scene: Scene) -> None:
    scene.begin(MOST_ATTEMPTS)
    write_note(scene.layout, APP, Note(scene.old.slot, 3, 1.0, "old news"))
    scene.choose()
    assert scene.state.failures[-1].reason == "started 3 times without becoming healthy"


def test_a_first_version_that_used_up_its_attempts_does_not_start(device: Device) -> None:
    scene = Scene(device)
    save_state(scene.layout.state(APP), State(trial=scene.new.slot, attempts=MOST_ATTEMPTS))
    scene.point(scene.new.slot)
    assert scene.choose() == 1
    assert scene.current == ""
    assert scene.choose() == 1


def test_nobody_knows_the_application(device: Device) -> None:
    assert choose(device.layout, APP, FakeBoot()) == 1


@pytest.mark.parametrize("trial", [False, True])
def test_a_current_that_fell_behind_follows_and_the_start_is_asked_for_anew_uncounted(
    scene: Scene, *, trial: bool
) -> None:
    """The power went between the two writes of a switch, or of a revert."""
    scene.begin()
    wanted, other = scene.new.slot, scene.old.slot
    if not trial:
        revert_trial(scene.layout, APP, "hangs")
        wanted, other = other, wanted
    scene.point(other)
    assert scene.choose() == 1
    assert (scene.current, scene.boot.asked, scene.state.attempts) == (wanted, AGAIN, 0)
    assert scene.choose() == 0
    assert scene.state.attempts == int(trial)


class Broken(FakeBoot):
    def reload(self) -> None:
        raise TransferError("systemctl daemon-reload: exit code 1: no")


def test_service_files_that_cannot_be_read_again_do_not_keep_a_version_from_starting(scene: Scene) -> None:
    scene.point(scene.new.slot)
    scene.boot = Broken()
    assert scene.choose() == 0
    assert scene.current == scene.old.slot


def test_with_a_full_disk_what_is_confirmed_starts(scene: Scene, disk_is_full: Callable[[], None]) -> None:
    disk_is_full()
    assert scene.choose() == 0
    assert scene.current == scene.old.slot


def test_with_a_full_disk_the_confirmed_version_starts_in_place_of_a_trial(
    scene: Scene, disk_is_full: Callable[[], None]
) -> None:
    scene.begin()
    disk_is_full()
    assert scene.choose() == 0
    assert (scene.current, scene.state.attempts) == (scene.old.slot, 0)
    assert scene.boot.asked == [("reload",)]  # the unit of what starts, without another start


def test_with_a_full_disk_a_first_version_does_not_start(scene: Scene, disk_is_full: Callable[[], None]) -> None:
    save_state(scene.layout.state(APP), State(trial=scene.new.slot))
    scene.point(scene.new.slot)
    disk_is_full()
    assert scene.choose() == 1


def test_once_there_is_room_again_the_trial_goes_on(scene: Scene, disk_is_full: Callable[[], None]) -> None:
    scene.begin()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(switch, "save_state", lambda *_: (_ for _ in ()).throw(TransferError("full")))
        scene.choose()
    assert scene.choose() == 1  # `current` leads to it again: another start, with its unit
    assert scene.choose() == 0
    assert (scene.current, scene.state.attempts) == (scene.new.slot, 1)


def test_on_a_read_only_disk_what_is_confirmed_starts(scene: Scene, disk_is_read_only: Callable[[], None]) -> None:
    disk_is_read_only()
    assert scene.choose() == 0


@pytest.mark.parametrize("reverted", [False, True])
def test_on_a_read_only_disk_an_unconfirmed_current_does_not_start(
    scene: Scene, disk_is_read_only: Callable[[], None], *, reverted: bool
) -> None:
    scene.begin()
    if reverted:
        revert_trial(scene.layout, APP, "hangs")
        scene.point(scene.new.slot)
    disk_is_read_only()
    assert scene.choose() == 1
    assert scene.current == scene.new.slot


DAMAGED = [b"", b"{", b"\x00" * 200, b'{"schema":2}', b"x" * 70_000]


@pytest.mark.parametrize("data", DAMAGED)
def test_with_a_damaged_state_the_version_accepted_last_starts(
    scene: Scene, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.layout.state(APP).write_bytes(data)
    assert scene.choose() == 0
    assert "state.json" in capsys.readouterr().err


@pytest.mark.parametrize("data", DAMAGED)
def test_with_a_damaged_state_a_version_that_was_never_confirmed_does_not_start(scene: Scene, data: bytes) -> None:
    scene.begin()
    scene.layout.state(APP).write_bytes(data)
    assert scene.choose() == 1


def test_with_a_lost_state_the_version_accepted_last_starts_and_no_other(scene: Scene) -> None:
    scene.layout.state(APP).unlink()
    assert scene.choose() == 0
    assert scene.current == scene.old.slot
    scene.point(scene.new.slot)
    assert scene.choose() == 1


def test_with_nothing_readable_nothing_starts(scene: Scene) -> None:
    scene.layout.state(APP).write_bytes(b"{")
    (scene.layout.trust / "counters" / f"{APP}.json").write_bytes(b"{")
    assert scene.choose() == 1


def test_a_fault_nobody_thought_of_lets_what_is_confirmed_start(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.point(scene.new.slot)
    scene.begin()
    scene.point(scene.old.slot)

    def broken(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(switch, "change_state", broken)
    assert next_start(scene.layout, APP) is Choice.START
    assert scene.state.attempts == 0
