"""A plain init: the script in a real shell, its links, and what a supervisor's note is worth."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from firmware_tools.update.boot.base import Service
from firmware_tools.update.boot.plain import SCRIPT, SCRIPT_TEXT, PlainBoot, Watch, read_watch, write_watch
from firmware_tools.update.layout import Layout
from firmware_tools.update.processes import process_of
from firmware_tools.update.state import State, save_state
from tests.broker import until
from tests.unit.firmware_tools.update.devices import APP
from tests.unit.firmware_tools.update.plain_machine import PlainMachine, plain_machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[PlainMachine]:
    with plain_machine(tmp_path) as found:
        yield found


def script(layout: Layout, *words: str, shell: str = "sh") -> subprocess.CompletedProcess[str]:
    command = [shell, str(layout.root / SCRIPT), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_understands_the_script(tmp_path: Path, shell: str) -> None:
    (tmp_path / "edge-sdk").write_text(SCRIPT_TEXT)
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    done = subprocess.run([*words, "-n", str(tmp_path / "edge-sdk")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_starts_stops_and_knows_each_application(machine: PlainMachine) -> None:
    app = machine.confirmed("healthy")
    layout = machine.layout
    assert script(layout, "status").stdout == f"{APP}: stopped\n"
    assert script(layout, "start").returncode == 0
    until(lambda: machine.runs(app), "it runs")
    status = script(layout, "status")
    assert (status.returncode, status.stdout.partition(" by ")[0]) == (0, f"{APP}: kept running")
    assert script(layout, "start").returncode == 0
    assert script(layout, "status").stdout == status.stdout  # the same loop
    assert script(layout, "restart").returncode == 0
    until(lambda: machine.runs(app), "it runs again")
    assert script(layout, "status").stdout != status.stdout
    assert script(layout, "stop").returncode == 0
    assert script(layout, "status").returncode == 3
    assert machine.ours() == []


@pytest.mark.parametrize("words", [(), ("begin",), ("reload", APP)])
def test_a_word_it_does_not_know_is_explained(machine: PlainMachine, words: tuple[str, ...]) -> None:
    machine.confirmed("healthy")
    done = script(machine.layout, *words)
    assert done.returncode == 2
    assert "start|stop|restart|status" in done.stderr


def test_without_applications_nothing_is_done(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    PlainBoot(layout, live=True).install(APP)
    assert script(layout, "start").returncode == 0
    assert script(layout, "status").stdout == ""


def test_the_loop_starts_a_supervisor_again(machine: PlainMachine) -> None:
    app = machine.confirmed("healthy")
    machine.boot.restart(APP)
    until(lambda: machine.runs(app), "it runs")
    first = machine.watch.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: machine.watch.pid != first and machine.runs(app), "another one keeps it running")


def test_stopping_ends_what_a_killed_supervisor_has_left(machine: PlainMachine) -> None:
    app = machine.confirmed("family")
    machine.boot.restart(APP)
    until(lambda: machine.runs(app), "it runs")
    os.kill(machine.watch.pid, signal.SIGKILL)
    assert script(machine.layout, "stop").returncode == 0
    until(lambda: not machine.ours(), "everything has ended")


def test_a_number_that_belongs_to_another_program_by_now_is_left_alone(machine: PlainMachine) -> None:
    machine.confirmed("healthy")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        try:
            found = process_of(stranger.pid)
            assert found is not None
            run = machine.layout.run(APP).parent
            run.mkdir(parents=True)
            write_watch(machine.layout, APP, Watch(stranger.pid, found.ticks + 1, stranger.pid, found.ticks + 1))
            (run / f".{APP}.loop").write_text(f"{stranger.pid}\n")
            assert script(machine.layout, "stop").returncode == 0
            assert script(machine.layout, "status").returncode == 3
            assert not machine.boot.service(APP).running
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("text", ["", "x\n", "-1\n", "99999999\n", "1; echo evil\n"])
def test_a_damaged_note_of_the_loop_is_none(machine: PlainMachine, text: str) -> None:
    machine.confirmed("healthy")
    run = machine.layout.run(APP).parent
    run.mkdir(parents=True)
    (run / f".{APP}.loop").write_text(text)
    done = script(machine.layout, "status")
    assert (done.returncode, done.stdout) == (3, f"{APP}: stopped\n")


def links(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): os.readlink(path) for path in root.rglob("*") if path.is_symlink()}


def test_links_for_run_levels_and_for_small_boards(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / "levels" / f"etc/rc{number}.d").mkdir(parents=True)
    PlainBoot(Layout(tmp_path / "levels")).install(APP)
    starts = {f"etc/rc{number}.d/S99edge-sdk": "../init.d/edge-sdk" for number in (2, 3, 4, 5)}
    stops = {f"etc/rc{number}.d/K01edge-sdk": "../init.d/edge-sdk" for number in (0, 1, 6)}
    assert links(tmp_path / "levels") == {**starts, **stops}
    (tmp_path / "small/etc/init.d").mkdir(parents=True)
    (tmp_path / "small/etc/init.d/rcS").write_text("#!/bin/sh\n")
    PlainBoot(Layout(tmp_path / "small")).install(APP)
    assert links(tmp_path / "small") == {"etc/init.d/S99edge-sdk": "edge-sdk"}


def test_in_a_folder_the_script_is_that_of_the_device(tmp_path: Path) -> None:
    boot = PlainBoot(Layout(tmp_path), _refuse)
    boot.install(APP)
    path = tmp_path / SCRIPT
    assert "\nroot=''\n" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    inode = path.stat().st_ino
    boot.install(APP)
    assert path.stat().st_ino == inode
    boot.reload()
    boot.restart(APP)
    boot.stop(APP)


def _refuse(argv: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    raise AssertionError(f"{argv} must not be run")


def test_removing_the_last_application_removes_the_script(tmp_path: Path) -> None:
    (tmp_path / "etc/rc2.d").mkdir(parents=True)
    layout = Layout(tmp_path)
    boot = PlainBoot(layout)
    for name in ("one", "two"):
        save_state(layout.state(name), State())
        boot.install(name)
    boot.remove("one")
    assert (tmp_path / SCRIPT).exists()
    layout.state("one").unlink()
    boot.remove("two")
    assert not (tmp_path / SCRIPT).exists()
    assert links(tmp_path) == {}


def test_the_service_is_what_the_note_says_and_proc_confirms(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    boot = PlainBoot(layout)
    assert boot.service(APP) == Service(False, 0, 0, "nobody has started it")
    me = process_of(os.getpid())
    assert me is not None
    layout.run(APP).parent.mkdir(parents=True)
    watch = Watch(me.pid, me.ticks, me.pid, me.ticks, starts=2, detail="runs 1.0.0", failed="")
    write_watch(layout, APP, watch)
    assert boot.service(APP) == Service(True, me.pid, 2, "runs 1.0.0")
    write_watch(layout, APP, Watch(me.pid, me.ticks, me.pid, me.ticks + 1, detail="waits", failed="too much"))
    assert boot.service(APP) == Service(False, 0, 0, "waits", "too much")
    write_watch(layout, APP, Watch(me.pid, me.ticks + 1, me.pid, me.ticks))
    assert boot.service(APP) == Service(True, me.pid, 0, "its supervisor has ended")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"pid":"x"}', b"\xff", b"[" * 20_000])
def test_a_damaged_note_is_none(tmp_path: Path, data: bytes) -> None:
    layout = Layout(tmp_path)
    path = layout.beside(APP, "watch")
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert read_watch(layout, APP) is None
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert read_watch(layout, APP) is None
    path.unlink()
    os.mkfifo(path)
    assert read_watch(layout, APP) is None


def test_the_log_is_the_end_of_both_files(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    boot = PlainBoot(layout)
    log = layout.log(APP)
    log.parent.mkdir(parents=True)
    assert boot.logs(APP, 10) == []
    log.with_name(f"{log.name}.1").write_text("one\ntwo\n")
    log.write_bytes(b"three\n\xff\n")
    assert boot.logs(APP, 3) == ["two", "three", "\ufffd"]
    assert boot.logs(APP, 10**9) == ["one", "two", "three", "\ufffd"]
    assert boot.logs(APP, 0) == boot.logs(APP, -1) == []
    log.write_text("x" * 300 + "\n" + "line\n" * 200_000)
    assert len(boot.logs(APP, 10**9)) <= 10_000
