"""A plain init with real processes: candidates of every kind, kills at random moments, and what is left afterwards."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from firmware_tools.update import supervise
from firmware_tools.update.account import NUMBERS, account_of, read_environment
from firmware_tools.update.log_file import LogFile
from firmware_tools.update.processes import family, is_alive, process_of
from firmware_tools.update.state import begin, save_state
from firmware_tools.update.switch import change_state
from tests.broker import until
from tests.unit.firmware_tools.update.devices import APP
from tests.unit.firmware_tools.update.plain_machine import HEALTH, PlainMachine, plain_machine, supervised


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[PlainMachine]:
    with plain_machine(tmp_path) as found:
        yield found


def test_a_healthy_candidate_is_confirmed(machine: PlainMachine) -> None:
    old = machine.confirmed("healthy")
    with supervised(machine):
        until(lambda: machine.runs(old), "the old version runs")
        new = machine.installed("healthy")
        machine.begin(new)
        machine.settle(new)
        assert machine.state.previous == old.slot
        assert machine.state.failures == ()
    assert machine.ours() == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("crash", "ended with exit code 3"),
        ("litter", "ended with exit code 3"),
        ("late crash", "ended with exit code 4"),
        ("silent", "not healthy within 2 s: source accel has given nothing"),
        ("hang", "no report for 1 s: it hangs"),
        ("hungry", "MiB is above 100 MiB"),
    ],
)
def test_a_bad_candidate_is_given_up_and_the_old_version_runs_again(
    machine: PlainMachine, word: str, reason: str
) -> None:
    old = machine.confirmed("healthy")
    with supervised(machine):
        new = machine.installed(word)
        machine.begin(new)
        machine.settle(old)
        assert machine.state.failures[-1].slot == new.slot
        assert reason in machine.state.failures[-1].reason
    assert machine.ours() == []


def test_a_candidate_that_uses_up_its_attempts_before_the_gate_closes_is_given_up(machine: PlainMachine) -> None:
    old = machine.confirmed("healthy")
    new = machine.installed("crash", health=replace(HEALTH, gate_s=60))
    change_state(machine.layout, APP, lambda state: replace(begin(state, new.slot, tested=True), attempts=2))
    with supervised(machine):
        machine.settle(old)
        reason = machine.state.failures[-1].reason
        assert reason == "started 3 times without becoming healthy; lastly: ended with exit code 3"


def test_a_first_version_that_is_bad_leaves_nothing_running(machine: PlainMachine) -> None:
    new = machine.installed("silent")
    machine.begin(new)  # starts the loop
    until(lambda: machine.state.failures, "the trial ends")
    until(lambda: not machine.ours(), "everything has ended")
    assert machine.layout.current_slot(APP) == ""


def test_a_restart_costs_little_more_than_the_application_itself(machine: PlainMachine) -> None:
    app = machine.confirmed("healthy")
    with supervised(machine) as supervisor:
        until(lambda: machine.runs(app), "it runs")
        spent = []
        for _ in range(5):
            before, began_s = machine.watch.app, time.monotonic()
            supervisor.send_signal(signal.SIGHUP)
            until(lambda before=before: machine.watch.app not in (0, before), "another process runs")  # type: ignore[misc]
            spent.append(time.monotonic() - began_s)
        assert min(spent) < 0.2, spent


def test_an_application_that_does_not_end_when_told_is_killed(machine: PlainMachine) -> None:
    app = machine.confirmed("stubborn")
    with supervised(machine) as supervisor:
        until(lambda: "stubborn begins" in machine.log, "it runs")
        first = machine.watch.app
        supervisor.send_signal(signal.SIGHUP)
        until(lambda: machine.watch.app not in (0, first), "another process runs")
        assert machine.runs(app)
    assert machine.ours() == []


def test_what_the_application_started_ends_with_it(machine: PlainMachine) -> None:
    machine.confirmed("family")
    with supervised(machine):
        until(lambda: len(family(machine.watch.app)) == 2, "it has a child")
        (child,) = (one for one in family(machine.watch.app) if one.pid != machine.watch.app)
        os.kill(machine.watch.app, signal.SIGKILL)
        until(lambda: not is_alive(child.pid, child.ticks), "the child ends")


def test_a_daemon_of_the_application_ends_with_it(machine: PlainMachine) -> None:
    app = machine.confirmed("daemon")
    with supervised(machine):
        until(lambda: machine.runs(app), "it runs")

        def sleepers() -> list[int]:
            return [pid for pid in machine.ours() if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0")]

        until(lambda: len(sleepers()) == 1, "its daemon runs")
        first = sleepers()
        machine.boot.restart(APP)
        until(lambda: sleepers() not in ([], first), "the daemon is another one")
        assert len(sleepers()) == 1
    assert machine.ours() == []


def test_an_application_that_dies_is_started_again_ever_more_slowly(machine: PlainMachine) -> None:
    machine.confirmed("crash")
    with supervised(machine):
        until(lambda: machine.watch.starts == 2, "it was started three times")
        assert "ended with exit code 3; started again in 1 s" in machine.log
        assert "ended with exit code 3; started again in 2 s" in machine.log


def test_sigterm_ends_application_gate_and_supervisor(machine: PlainMachine) -> None:
    machine.confirmed("healthy")
    with supervised(machine) as supervisor:
        machine.begin(machine.installed("silent", health=replace(HEALTH, gate_s=60)))
        until(lambda: machine.process("gate"), "the gate runs")
        supervisor.terminate()
        assert supervisor.wait(10) == 0
    assert machine.ours() == []
    assert machine.state.trial  # the machine may go down in the middle of a trial


def test_a_second_supervisor_waits_for_the_first(machine: PlainMachine) -> None:
    app = machine.confirmed("healthy")
    with supervised(machine) as first, supervised(machine, second=True) as second:
        until(lambda: machine.runs(app), "it runs")
        one, other = (first, second) if machine.watch.pid == first.pid else (second, first)
        process = machine.watch.app
        until(lambda: "healthy begins" in machine.log, "it has begun")
        assert (machine.log.count("healthy begins"), other.poll()) == (1, None)
        one.terminate()
        until(lambda: machine.watch.pid == other.pid and machine.runs(app), "the second one takes over")
        assert machine.watch.app != process


def test_a_supervisor_becomes_its_newer_self_when_its_packages_were_updated(machine: PlainMachine) -> None:
    app = machine.confirmed("healthy")
    with supervised(machine) as supervisor:
        until(lambda: machine.runs(app), "it runs")
        first = machine.watch.app
        machine.layout.agent.symlink_to("sites/0123456789abcdef")
        supervisor.send_signal(signal.SIGHUP)
        until(lambda: machine.watch.app not in (0, first) and machine.runs(app), "it runs again")
        assert (machine.watch.pid, supervisor.poll()) == (supervisor.pid, None)
        assert "goes on as its newer self" in machine.log
        second = machine.watch.app
        supervisor.send_signal(signal.SIGHUP)
        until(lambda: machine.watch.app not in (0, second), "it was restarted")
        assert machine.log.count("newer self") == 1
    assert machine.ours() == []


def test_a_supervisor_that_is_killed_leaves_one_application_to_the_next(machine: PlainMachine) -> None:
    app = machine.confirmed("family")
    with supervised(machine) as first:
        until(lambda: machine.runs(app) and len(family(machine.watch.app)) == 2, "it runs")
        left = family(machine.watch.app)
        first.kill()
        first.wait()
        service = machine.boot.service(APP)
        assert (service.running, service.detail) == (True, "its supervisor has ended")
    with supervised(machine):
        until(lambda: machine.watch.app not in (0, left[0].pid, left[1].pid), "the next one has started it")
        assert not any(is_alive(one.pid, one.ticks) for one in left)


def test_an_application_that_a_killed_supervisor_had_no_time_to_note_is_ended(machine: PlainMachine) -> None:
    app = machine.confirmed("healthy")
    with supervised(machine) as first:
        until(lambda: "healthy begins" in machine.log, "it runs")
        left = process_of(machine.watch.app)
        assert left is not None
        first.kill()
        first.wait()
    machine.layout.beside(APP, "watch").unlink()
    with supervised(machine):
        until(lambda: machine.runs(app), "the next one has started it")
        assert not is_alive(left.pid, left.ticks)


SEEDS = (1, 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("word", ["healthy", "hang"])
def test_whoever_is_killed_at_a_random_moment_the_end_is_the_same(machine: PlainMachine, word: str, seed: int) -> None:
    """The loop of the real init script starts the supervisor again; the supervisor starts its gate again."""
    chance = random.Random(seed)
    old, new = machine.confirmed("healthy"), machine.installed(word)
    machine.boot.restart(APP)
    until(lambda: machine.runs(old), "the old version runs")
    machine.begin(new)
    victims = ["gate", "supervise"] if seed % 2 else ["supervise", "gate"]
    for victim in victims:
        time.sleep(chance.uniform(0.0, 1.0))
        pid = machine.process(victim)
        if pid:
            os.kill(pid, signal.SIGKILL)
    machine.settle(new if word == "healthy" else old, 40)
    until(lambda: not machine.process("gate"), "the gate ends")
    machine.boot.stop(APP)
    until(lambda: not machine.ours(), "everything has ended")


def test_the_environment_comes_from_its_file(machine: PlainMachine) -> None:
    machine.confirmed("healthy")
    machine.layout.etc.mkdir(parents=True)
    (machine.layout.etc / f"{APP}.env").write_text('SECRET="two words"\nnonsense\n')
    with supervised(machine):
        until(lambda: "healthy begins two words" in machine.log, "it has the variable")
        assert f"{APP}.env:2: is ignored" in machine.log


def test_the_log_is_bounded(machine: PlainMachine) -> None:
    machine.confirmed("chatty")  # writes 2.8 MB
    log = machine.layout.log(APP)
    with supervised(machine):
        until(lambda: "00039999" in machine.log, "it has written everything")
    sizes = [path.stat().st_size for path in log.parent.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 1 << 20
    assert sum(sizes) > 1 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_the_application_runs_as_its_user_who_cannot_touch_our_notes() -> None:
    nobody = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="edge-user-"))
    try:
        folder.chmod(0o755)
        with plain_machine(folder, user="nobody") as machine:
            app = machine.confirmed("healthy")
            with supervised(machine):
                until(lambda: f"healthy begins - {nobody.pw_uid}" in machine.log, "it has begun")
                until(lambda: machine.layout.health(APP).exists(), "it may write its report")
                assert machine.runs(app)
                run = machine.layout.run(APP)
                assert (run.stat().st_uid, run.parent.stat().st_uid) == (nobody.pw_uid, 0)
                assert run.parent.stat().st_mode & 0o022 == 0
    finally:
        shutil.rmtree(folder)


def test_there_is_no_account_without_a_user_and_a_name() -> None:
    assert account_of("no-such-user-here") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_the_user_each_application_has_a_number_of_its_own() -> None:
    first, second = (account_of("no-such-user-here", name) for name in ("press-7", "press-8"))
    assert first is not None
    assert second is not None
    assert first.user == first.group != second.user
    assert first.user in NUMBERS
    assert first == account_of("no-such-user-here", "press-7")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("  A = 1".replace(" = ", "="), "1"),
        ("A=", ""),
        ("A=two words ", "two words"),
        ('A="two words"', "two words"),
        (r'A="say \"hi\" \\ \$x \n"', r'say "hi" \ $x \n'),
        ("A='as $it \\ stands'", "as $it \\ stands"),
        ("A=x # no comment", "x # no comment"),
    ],
)
def test_a_line_of_the_environment(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / "e").write_text(f"# comment\n; another\n\n{line}\n")
    assert read_environment(tmp_path / "e") == ({"A": value}, [])


@pytest.mark.parametrize(
    "line", ['A="open', 'A="', "A='x'y'", 'A="x"y"', r'A="x\"', "1A=x", "export A=x", "A", "=x", "A=\0"]
)
def test_a_line_that_means_nothing_is_ignored_and_its_value_never_shown(tmp_path: Path, line: str) -> None:
    (tmp_path / "e").write_text(f"{line}\nB=2\n")
    found, complaints = read_environment(tmp_path / "e")
    assert found == {"B": "2"}
    assert [text.partition(": ")[0] for text in complaints] == [f"{tmp_path / 'e'}:1"]


def test_an_environment_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    assert read_environment(tmp_path / "absent") == ({}, [])
    (tmp_path / "big").write_bytes(b"A=" + b"x" * 70_000)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "big", tmp_path / "pipe"):
        found, complaints = read_environment(path)
        assert (found, len(complaints)) == ({}, 1)


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    log = LogFile(tmp_path / "file" / "x.log")
    log.write(b"lost\n")
    log.close()


def test_a_log_turns_over_before_it_grows_too_large(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", most_bytes=100)
    for number in range(30):
        log.write(b"%09d\n" % number)
    log.close()
    assert (tmp_path / "x.log").read_bytes().startswith(b"000000020\n")
    assert (tmp_path / "x.log.1").read_bytes().startswith(b"000000010\n")


def test_a_state_nobody_can_read_starts_nothing_but_keeps_trying(machine: PlainMachine) -> None:
    app = machine.confirmed("healthy")
    good = machine.state
    machine.layout.state(APP).write_bytes(b"{")
    (machine.layout.trust / "counters" / f"{APP}.json").unlink()
    with supervised(machine):
        until(lambda: "there is no version that may start" in machine.log, "it says so")
        assert machine.watch.app == 0
        save_state(machine.layout.state(APP), good)
        until(lambda: machine.runs(app), "it runs")


def test_this_process_is_known_by_its_start() -> None:
    me = process_of(os.getpid())
    assert me is not None
    assert is_alive(me.pid, me.ticks)
    assert not is_alive(me.pid, me.ticks + 1)
    assert process_of(0) is None
    assert process_of(2**22 + 1) is None
    assert supervise.TICK_S <= 0.5  # memory is looked at this often
