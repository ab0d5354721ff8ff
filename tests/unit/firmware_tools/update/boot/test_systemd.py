"""systemd: the links, the gate's unit as systemd reads it, and the exact commands."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_sdk.errors import TransferError
from firmware_tools.update.boot import base
from firmware_tools.update.boot.base import Service, run_command
from firmware_tools.update.boot.systemd import GATE_UNIT, SystemdBoot, parse_show
from firmware_tools.update.layout import Layout
from firmware_tools.update.state import State, save_state
from tests.support import require_tool

APP = "press-7"
SLOT = "1.0.0-0123456789ab"


class Commands:
    """Notes what is run, and answers."""

    def __init__(self) -> None:
        self.argv: list[tuple[str, ...]] = []
        self.answers: dict[str, tuple[int, str, str]] = {}

    def __call__(self, argv: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        assert 0 < timeout_s <= 60
        self.argv.append(tuple(argv))
        code, out, err = self.answers.get(argv[1], (0, "", ""))
        return subprocess.CompletedProcess(list(argv), code, out, err)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path)
    (found.slot(APP, SLOT) / "system").mkdir(parents=True)
    found.current(APP).symlink_to(f"slots/{SLOT}")
    return found


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def boot(layout: Layout, commands: Commands) -> SystemdBoot:
    return SystemdBoot(layout, commands, live=True)


def put_trial(layout: Layout, trial: str = SLOT) -> None:
    save_state(layout.state(APP), State(trial=trial))


def links(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): os.readlink(path) for path in root.rglob("*") if path.is_symlink()}


def test_units_are_links_that_follow_current(layout: Layout, boot: SystemdBoot) -> None:
    boot.install(APP)
    units = "etc/systemd/system"
    found = links(layout.root)
    assert found[f"{units}/edge-sdk-{APP}.service"] == (
        f"/opt/edge-sdk/apps/{APP}/current/system/edge-sdk-{APP}.service"
    )
    wants = f"{units}/multi-user.target.wants"
    assert found[f"{wants}/edge-sdk-{APP}.service"] == f"/{units}/edge-sdk-{APP}.service"
    assert found[f"{wants}/edge-sdk-gate@{APP}.service"] == f"/{units}/edge-sdk-gate@.service"
    assert (layout.root / units / "edge-sdk-gate@.service").read_text() == GATE_UNIT


def test_installing_again_changes_nothing(layout: Layout, boot: SystemdBoot, commands: Commands) -> None:
    boot.install(APP)
    gate = layout.root / "etc/systemd/system/edge-sdk-gate@.service"
    before, inode = links(layout.root), gate.stat().st_ino
    boot.install(APP)
    assert (links(layout.root), gate.stat().st_ino) == (before, inode)
    assert commands.argv == []


def test_device_rules_are_linked_while_a_version_has_some(layout: Layout, boot: SystemdBoot) -> None:
    rules = f"70-edge-sdk-{APP}.rules"
    (layout.slot(APP, SLOT) / "system" / rules).write_text("# none\n")
    boot.install(APP)
    link = f"etc/udev/rules.d/{rules}"
    assert links(layout.root)[link] == f"/opt/edge-sdk/apps/{APP}/current/system/{rules}"
    (layout.slot(APP, SLOT) / "system" / rules).unlink()
    boot.install(APP)
    assert link not in links(layout.root)


def test_systemd_accepts_the_gate_unit(layout: Layout, tmp_path: Path) -> None:
    analyze = require_tool("systemd-analyze", "systemd")
    unit = tmp_path / "edge-sdk-gate@.service"
    unit.write_text(GATE_UNIT.replace("/opt/edge-sdk/launch", shutil.which("true") or "/bin/true"))
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_gate_may_write_what_it_changes() -> None:
    writable = next(line for line in GATE_UNIT.splitlines() if line.startswith("ReadWritePaths="))
    assert writable.partition("=")[2].split() == ["/opt/edge-sdk", "/var/lib/edge-sdk"]
    assert "RuntimeDirectoryPreserve=yes" in GATE_UNIT  # or the end of a gate would take /run/edge-sdk away


def put_unit(layout: Layout, text: str) -> None:
    (layout.slot(APP, SLOT) / f"system/edge-sdk-{APP}.service").write_text(text)


RELOAD = ("systemctl", "daemon-reload")
WHEN = ("systemctl", "show", "-p", "UnitsLoadTimestampMonotonic")


def test_units_are_read_again_only_when_they_have_changed(
    layout: Layout, boot: SystemdBoot, commands: Commands
) -> None:
    put_unit(layout, "[Unit]\n")
    boot.install(APP)
    commands.answers["show"] = (0, "UnitsLoadTimestampMonotonic=77\n", "")
    boot.reload()
    assert commands.argv == [RELOAD, WHEN]
    boot.reload()
    assert commands.argv[2:] == [WHEN]
    put_unit(layout, "[Unit]\nDescription=another\n")
    boot.reload()
    assert commands.argv[3:] == [RELOAD, WHEN]


def test_units_are_read_again_after_somebody_else_has_let_them_be_read(
    layout: Layout, boot: SystemdBoot, commands: Commands
) -> None:
    put_unit(layout, "[Unit]\n")
    boot.install(APP)
    commands.answers["show"] = (0, "UnitsLoadTimestampMonotonic=77\n", "")
    boot.reload()
    commands.answers["show"] = (0, "UnitsLoadTimestampMonotonic=78\n", "")
    boot.reload()
    assert commands.argv[2:] == [WHEN, RELOAD, WHEN]


@pytest.mark.parametrize("answer", [(0, "\n", ""), (1, "", "Failed to connect to bus")])
def test_where_systemd_does_not_say_when_it_read_units_it_always_reads_them(
    boot: SystemdBoot, commands: Commands, answer: tuple[int, str, str]
) -> None:
    boot.install(APP)
    commands.answers["show"] = answer
    for _ in range(2):
        boot.reload()
    assert commands.argv.count(RELOAD) == 2


def test_device_rules_are_read_again_where_there_are_some(
    layout: Layout, boot: SystemdBoot, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layout.slot(APP, SLOT) / "system" / f"70-edge-sdk-{APP}.rules").write_text("# none\n")
    boot.install(APP)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    commands.answers["control"] = (2, "", "Failed to send reload request")
    boot.reload()
    assert commands.argv[1:] == [
        ("udevadm", "control", "--reload"),
        ("udevadm", "trigger", "--subsystem-match=tty", "--action=change"),
        WHEN,
    ]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    boot.reload()
    assert commands.argv[4:] == [RELOAD, WHEN]


UNIT = f"edge-sdk-{APP}.service"
GATE = f"edge-sdk-gate@{APP}.service"


def test_a_restart_without_a_trial(layout: Layout, boot: SystemdBoot, commands: Commands) -> None:
    save_state(layout.state(APP), State(confirmed=SLOT))
    commands.answers["reset-failed"] = (1, "", "Unit not loaded.")
    boot.restart(APP)
    assert commands.argv == [
        ("systemctl", "reset-failed", UNIT, GATE),
        ("systemctl", "restart", "--no-block", UNIT),
    ]


@pytest.mark.parametrize("readable", [True, False])
def test_a_restart_of_a_trial_brings_its_gate_which_comes_last_as_it_may_be_the_one_who_asks(
    layout: Layout, boot: SystemdBoot, commands: Commands, *, readable: bool
) -> None:
    put_trial(layout)
    if not readable:
        layout.state(APP).write_bytes(b"{")
    boot.restart(APP)
    assert commands.argv[1] == ("systemctl", "restart", "--no-block", UNIT, GATE)


def test_a_gate_alone_can_be_asked_for(boot: SystemdBoot, commands: Commands) -> None:
    boot.judge(APP)
    assert commands.argv == [("systemctl", "start", "--no-block", GATE)]


def test_stopping_waits_for_nobody(boot: SystemdBoot, commands: Commands) -> None:
    boot.stop(APP)
    assert commands.argv == [("systemctl", "stop", "--no-block", UNIT)]


def test_removing_stops_both_and_takes_the_links_away(layout: Layout, boot: SystemdBoot, commands: Commands) -> None:
    boot.install(APP)
    boot.remove(APP)
    assert commands.argv == [("systemctl", "stop", "--no-block", GATE, UNIT), RELOAD, WHEN]
    assert [path for path in links(layout.root) if path.startswith("etc/")] == []


def test_the_service_is_asked_for_what_we_need(boot: SystemdBoot, commands: Commands) -> None:
    commands.answers["show"] = (
        0,
        "ActiveState=active\nSubState=running\nMainPID=812\nNRestarts=2\nResult=success\n",
        "",
    )
    assert boot.service(APP) == Service(True, 812, 2, "active (running)")
    asked = "ActiveState,SubState,MainPID,NRestarts,StatusText,Result"
    assert commands.argv == [("systemctl", "show", UNIT, "-p", asked)]


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("", Service(False, 0, 0, "unknown (unknown)")),
        ("ActiveState=inactive\nSubState=dead\nMainPID=0\n", Service(False, 0, 0, "inactive (dead)")),
        (
            "ActiveState=activating\nSubState=start\nMainPID=9\nStatusText=opening = accel\n",
            Service(False, 9, 0, "activating (start): opening = accel", starting=True),
        ),
        (
            "ActiveState=activating\nSubState=auto-restart\nMainPID=0\nNRestarts=1\nResult=oom-kill\n",
            Service(
                False, 0, 1, "activating (auto-restart), oom-kill",
                "it was killed: it took more memory than its unit allows",
            ),
        ),
        (
            "ActiveState=failed\nSubState=failed\nMainPID=0\nNRestarts=5\nResult=start-limit-hit\n",
            Service(False, 0, 5, "failed (failed), start-limit-hit", "systemd has given it up: start-limit-hit"),
        ),
        ("MainPID=x\nNRestarts=-1\nActiveState=active\n", Service(True, 0, 0, "active (unknown)")),
        ("MainPID=99999999999999999999\nnonsense", Service(False, 0, 0, "unknown (unknown)")),
    ],
)  # fmt: skip
def test_what_systemctl_shows_is_understood(text: str, service: Service) -> None:
    assert parse_show(text) == service


def test_logs_are_those_of_the_unit_and_bounded(boot: SystemdBoot, commands: Commands) -> None:
    commands.answers["-u"] = (0, "".join(f"line {number}\n" for number in range(30)) + "x" * 9000 + "\n", "")
    found = boot.logs(APP, 3)
    assert found == ["line 28", "line 29", "x" * base.MOST_LINE_CHARACTERS]
    assert commands.argv == [("journalctl", "-u", UNIT, "-n", "3", "-o", "short-iso", "--no-pager")]
    boot.logs(APP, 10**9)
    assert "10000" in commands.argv[1]
    assert boot.logs(APP, 0) == []


@pytest.mark.parametrize("verb", ["daemon-reload", "restart", "stop", "show"])
def test_what_systemctl_complains_about_is_said(boot: SystemdBoot, commands: Commands, verb: str) -> None:
    commands.answers[verb] = (1, "", "Failed to connect to bus\n")
    acts = {
        "daemon-reload": boot.reload,
        "restart": lambda: boot.restart(APP),
        "stop": lambda: boot.stop(APP),
        "show": lambda: boot.service(APP),
    }
    with pytest.raises(TransferError, match=f"systemctl {verb}.*exit code 1: Failed to connect to bus"):
        acts[verb]()


def test_a_tool_that_is_not_there_or_does_not_answer_is_an_error() -> None:
    with pytest.raises(TransferError, match="no-such-tool x: cannot be run: No such file"):
        run_command(("no-such-tool", "x"), 1.0)
    with pytest.raises(TransferError, match=r"sleep 30: no answer within 0\.05 s"):
        run_command(("sleep", "30"), 0.05)


def test_in_a_folder_nothing_is_run(layout: Layout, commands: Commands) -> None:
    boot = SystemdBoot(layout, commands)
    boot.install(APP)
    boot.reload()
    boot.restart(APP)
    boot.stop(APP)
    assert boot.logs(APP, 10) == []
    assert not boot.service(APP).running
    boot.remove(APP)
    assert commands.argv == []
