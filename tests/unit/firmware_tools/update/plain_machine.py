"""A machine with a plain init, in a folder: real processes of ours, and an application that behaves as it is told.

The application's `models/m.wasm` holds one word, such as "healthy" or "crash"; see FAKE.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from firmware_tools.bundle.manifest import Health, Limits
from firmware_tools.update.boot.plain import PlainBoot, Watch, read_watch
from firmware_tools.update.processes import is_alive, processes, works_in
from firmware_tools.update.slot import build_slot
from firmware_tools.update.state import State, begin, load_state
from firmware_tools.update.switch import change_state, confirm_trial
from tests.broker import until
from tests.unit.firmware_tools.update.devices import APP, App, Device, new_device

#: Whoever is well is confirmed long before the end; whoever is not need not be waited for.
HEALTH = Health(gate_s=20, hold_s=1, latency_p99_ms=0, sources=("accel",), offline=False)
SHORT = replace(HEALTH, gate_s=2)

#: Needs nothing but the standard library, so that it starts in a few milliseconds.
FAKE = """\
import json, os, signal, subprocess, sys, time
word = open("models/m.wasm").read()
path = os.environ["EDGE_SDK_HEALTH"]
began, count = time.monotonic(), 0
print(word, "begins", os.environ.get("SECRET", "-"), os.getuid(), flush=True)
def report():
    text = json.dumps({"schema": 1, "pid": os.getpid(), "started_s": began, "at_s": time.monotonic(),
        "results": count, "p99_ms": 1.0, "faults": 0, "sources": {"accel": {"readings": count, "heard_s": began}},
        "sinks": {"sinks[0]": {"delivered": count, "waiting": 0}}})
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)
if word == "crash":
    sys.exit(3)
if word == "hungry":
    kept = bytearray(300 << 20)
    kept[::4096] = b"x" * len(kept[::4096])
if word == "family":
    subprocess.Popen(["sleep", "1000"], start_new_session=False)
if word == "daemon":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", "1000"], {})
        os._exit(0)
if word == "litter":
    os.makedirs(path + "/folder", exist_ok=True)
    sys.exit(3)
if word == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if word == "chatty":
    for number in range(40000):
        print(f"{number:08d} " + "x" * 60)
    sys.stdout.flush()
while True:
    if word != "silent":
        count += 1
    if word != "hang" or count < 10:
        report()
    if word == "late crash" and count > 20:
        os._exit(4)
    time.sleep(0.03)
"""
_LAUNCH = """\
#!/bin/sh
case $1 in
device)
  shift
  [ "$1" != supervise ] || exec {python} -c '
import sys
from pathlib import Path
from firmware_tools.update import supervise
from firmware_tools.update.layout import Layout
supervise.HANG_S, supervise.STOP_S = 1.0, 1.0
if "{user}":
    real = supervise.account_of
    supervise.account_of = lambda **same: real("{user}")
sys.exit(supervise.supervise(Layout(Path("{root}")), sys.argv[1]))' "$2"
  exec {python} -m firmware_tools.update --root {root} "$@"
  ;;
app) cd -P {root}/opt/edge-sdk/apps/$2/current && exec /usr/bin/python3 -S -E {root}/fake.py ;;
esac
"""


class PlainMachine:
    """See above."""

    def __init__(self, folder: Path, user: str = "") -> None:
        self.device: Device = new_device(folder)
        self.layout = self.device.layout
        self.boot = PlainBoot(self.layout, live=True)
        self.made: dict[str, str] = {}
        (self.layout.root / "fake.py").write_text(FAKE)
        self.layout.home.mkdir(parents=True, exist_ok=True)
        self.layout.launch.write_text(_LAUNCH.format(python=sys.executable, root=self.layout.root, user=user))
        self.layout.launch.chmod(0o755)

    def installed(self, word: str, **changes: Any) -> App:
        """A version that behaves so, there but not on trial."""
        changes = {"health": HEALTH if word == "healthy" else SHORT, "limits": Limits(memory_mib=100), **changes}
        app = self.device.bundle(f"{len(self.made) + 1}.0.0", model=word.encode(), **changes)
        self.device.send(app)
        build_slot(self.layout, app.head, app.site)
        self.made[app.slot] = word
        return app

    def begin(self, app: App) -> None:
        """Put it on trial, and ask for a restart."""
        change_state(self.layout, APP, lambda state: begin(state, app.slot, tested=True))
        self.boot.install(APP)
        self.boot.restart(APP)

    def confirmed(self, word: str) -> App:
        """A version that nobody doubts, not started yet."""
        app = self.installed(word)
        change_state(self.layout, APP, lambda state: begin(state, app.slot))
        confirm_trial(self.layout, APP)
        self.boot.install(APP)
        return app

    @property
    def state(self) -> State:
        return load_state(self.layout.state(APP))

    @property
    def watch(self) -> Watch:
        return read_watch(self.layout, APP) or Watch(0, 0)

    @property
    def log(self) -> str:
        return "\n".join(self.boot.logs(APP, 1000))

    def runs(self, app: App) -> bool:
        """Whether a process of this version is the service now."""
        pid = self.boot.service(APP).pid
        return pid != 0 and works_in(pid, self.layout.slot(APP, app.slot))

    def settle(self, app: App, patience_s: float = 30.0) -> None:
        """Wait until there is no trial any more, and this version runs."""
        until(lambda: not self.state.trial, "the trial ends", patience_s)
        assert self.state.confirmed == app.slot, (self.state, self.log)
        until(lambda: self.runs(app), f"{app.slot} runs", patience_s)

    def ours(self) -> list[int]:
        """Every process of this folder: application, supervisor, gate, loop."""
        mark = os.fsencode(self.layout.root)
        found = []
        for one in processes():
            with suppress(OSError):
                words = Path(f"/proc/{one.pid}/cmdline").read_bytes()
                if one.pid != os.getpid() and (mark in words or works_below(one.pid, self.layout.root)):
                    found.append(one.pid)
        return found

    def process(self, word: str) -> int:
        """The process that was started as `launch device WORD`, or 0."""
        mark, name = os.fsencode(self.layout.root), word.encode()
        for pid in self.ours():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if word == "supervise" and pid == self.watch.pid:
                    return pid
                if word != "supervise" and name in words and mark in words:
                    return pid
        return 0

    def close(self) -> None:
        """End everything, however it fared."""
        for _ in range(3):
            for pid in self.ours():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        until(lambda: not self.ours(), "all processes have ended", 10.0)


def works_below(pid: int, folder: Path) -> bool:
    return os.readlink(f"/proc/{pid}/cwd").startswith(str(folder))


def wait_ended(pid: int, ticks: int) -> None:
    until(lambda: not is_alive(pid, ticks), f"process {pid} ends")


@contextmanager
def plain_machine(folder: Path, user: str = "") -> Iterator[PlainMachine]:
    machine = PlainMachine(folder, user)
    try:
        yield machine
    finally:
        machine.close()


@contextmanager
def supervised(machine: PlainMachine, *, second: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor without its loop; it listens already, unless it is the second one."""
    child = subprocess.Popen([machine.layout.launch, "device", "supervise", APP], stderr=subprocess.PIPE)
    try:
        until(lambda: second or machine.watch.pid == child.pid, "the supervisor listens")
        yield child
    finally:
        child.terminate()
        child.communicate(timeout=20)
