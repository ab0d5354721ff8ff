"""Tidying up removes everything that nobody needs, and nothing else."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.errors import TransferError
from firmware_tools.update import agent
from firmware_tools.update.collect import collect
from firmware_tools.update.slot import build_slot, kept_slots, verify_slot
from firmware_tools.update.state import begin
from firmware_tools.update.switch import change_state, confirm_trial
from tests.unit.firmware_tools.update.devices import APP, App, Device, device, fault_at

__all__ = ["device"]


@pytest.fixture(autouse=True)
def sites_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "serves", lambda layout, site: True)


def version(device: Device, number: int, *, confirmed: bool = True, wheels: int | None = None) -> App:
    used = number if wheels is None else wheels
    app = device.bundle(
        f"{number}.0.0", model=b"m" * number, wheels={f"w-{used}-py3-none-any.whl": b"w" * used} if used else {}
    )
    device.send(app)
    build_slot(device.layout, app.head, app.site)
    change_state(device.layout, APP, lambda state: begin(state, app.slot))
    if confirmed:
        confirm_trial(device.layout, APP)
    return app


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_confirmed_previous_and_trial_stay_with_their_sites(device: Device) -> None:
    layout = device.layout
    apps = [version(device, number) for number in (1, 2, 3, 4)]
    trial = version(device, 5, confirmed=False)
    given_up = version(device, 6, confirmed=False)
    change_state(layout, APP, lambda state: begin(state, trial.slot))
    removed, freed = collect(layout)
    kept = [apps[2], apps[3], trial]
    assert names(layout.slots(APP)) == {one.slot for one in kept}
    assert names(layout.sites) == {one.site for one in kept}
    assert names(layout.store) == set()
    gone = [apps[0], apps[1], given_up]
    assert {f"apps/{APP}/slots/{one.slot}" for one in gone} | {f"sites/{one.site}" for one in gone} <= set(removed)
    assert freed > sum(len(data) for one in gone for data in one.files.values())
    for one in kept:
        verify_slot(layout, APP, one.slot)
    assert collect(layout) == ([], 0)


def test_the_agents_own_packages_stay(device: Device) -> None:
    version(device, 1)
    for number in (2, 3, 4):
        version(device, number, wheels=0)
    old = (device.layout.home / "agent").resolve().name
    collect(device.layout)
    assert names(device.layout.sites) == {old}
    assert len(kept_slots(device.layout, APP)) == 2


@pytest.mark.parametrize("what", ["slots", "site"])
def test_what_cannot_be_read_is_not_taken_for_empty(device: Device, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    app = version(device, 1)
    version(device, 2)

    def failing(real: Any) -> Any:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if str(path).endswith(what):
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return real(path, *arguments, **options)

        return call

    if what == "slots":
        monkeypatch.setattr(Path, "iterdir", failing(Path.iterdir))
    else:
        monkeypatch.setattr(os, "readlink", failing(os.readlink))
    with pytest.raises(TransferError, match=what):
        collect(device.layout)
    monkeypatch.undo()
    assert (device.layout.sites / app.site).is_dir()


def test_leftovers_of_tries_that_were_cut_off_go(device: Device) -> None:
    layout = device.layout
    app = version(device, 1)
    litter = [
        layout.slots(APP) / ".part-9.9.9-aa",
        layout.sites / ".part-gone-bb",
        layout.home / ".part-launch",
        layout.apps / APP / ".part-current",
        layout.store / "cc.part",
        layout.state(APP).with_name(".state.json.xyz"),
    ]
    for path in litter:
        path.mkdir()
        (path / "file").write_bytes(b"x" * 1000)
    layout.store.joinpath("dd").symlink_to("/etc/passwd")
    _, freed = collect(layout)
    assert freed >= 6000
    assert not [path for path in litter if path.exists()]
    assert kept_slots(layout, APP) == [app.slot]
    assert Path("/etc/passwd").exists()


def test_an_application_whose_state_is_damaged_keeps_everything(device: Device) -> None:
    apps = [version(device, number) for number in (1, 2, 3)]
    device.layout.state(APP).write_text("{}")
    collect(device.layout)
    assert names(device.layout.slots(APP)) == {app.slot for app in apps}
    assert names(device.layout.sites) == {app.site for app in apps}


def test_nothing_half_removed_is_ever_taken_for_whole(device: Device) -> None:
    layout = device.layout
    number, done = 0, False

    def fail() -> None:
        raise OSError(5, "Input/output error")

    for version_number in (1, 2, 3):
        version(device, version_number)
    while not done:
        number += 1
        extra = version(device, 3 + number, confirmed=False)
        change_state(layout, APP, lambda state: begin(state, state.confirmed))
        with fault_at(number, fail) as calls:
            try:
                collect(layout)
                done = len(calls) < number
            except OSError:
                pass
        for slot in kept_slots(layout, APP):
            verify_slot(layout, APP, slot)
        collect(layout)
        assert extra.slot not in kept_slots(layout, APP)
        assert len(kept_slots(layout, APP)) == 2
    assert number > 8
