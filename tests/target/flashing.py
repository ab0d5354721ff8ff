"""Running `edge-sdk flash` as an operator would, watching what it says, and killing it.

    flash = Flash(project, new.path, "--dir", root)
    flash.wait_for("begin", "activate")
    flash.kill()

A command runs in its own session, so that its whole process group dies at once, as a terminal window does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile.cli_process import program
from tests.target.project import Project

PATIENCE_S = 120.0


@dataclass(frozen=True)
class Ended:
    """How a command ended; `code` is negative after a signal."""

    code: int
    events: tuple[dict[str, Any], ...]
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The last event of a command that ended by itself."""
        assert self.events, self
        assert self.events[-1]["event"] == "result", self
        return self.events[-1]

    @property
    def steps(self) -> list[str]:
        """The steps that it says are done."""
        return [event["step"] for event in self.events if event["event"] == "end"]

    def __str__(self) -> str:
        return f"-> {self.code}\n{self.err[-2000:]}\n{self.events[-5:]}"


class Flash:
    """One `edge-sdk flash ... --yes --json` under way."""

    def __init__(self, project: Project, *argv: str | Path, **environment: str) -> None:
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the command has ended
        self._process = subprocess.Popen(
            [program(), "flash", *argv, "--yes", "--json"],
            cwd=project.folder,
            env=project.environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._err,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                if line.endswith(b"\n"):
                    self._events.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, event: str, step: str) -> bool:
        """Wait until it says so of a kind of step ("put", for the first of them); False when it has ended without."""
        position = 0
        with self._changed:
            while True:
                for one in self._events[position:]:
                    if one["event"] == event and one["step"].partition(":")[0] == step:
                        return True
                position = len(self._events)
                if self._ended:
                    return False
                assert self._changed.wait(PATIENCE_S), f"waited in vain for {event} {step}: {self._events[-3:]}"

    def kill(self) -> Ended:
        """SIGKILL the operator's whole process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait()

    def kill_receiver(self) -> bool:
        """SIGKILL what it has started here, and leave it alive itself; False when it has started nothing."""
        children = list(descendants(self.pid))
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return bool(children)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def ends_within(self, seconds: float) -> bool:
        """Wait a while for its end; return whether it has come."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.running

    def wait(self, timeout_s: float = PATIENCE_S) -> Ended:
        """Wait for its end; a hang kills it and fails."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
            code = 0xDEAD
        self._reader.join(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._err.seek(0)
        err = self._err.read().decode(errors="replace")
        self._err.close()
        ended = Ended(code, tuple(self._events), err)
        assert code != 0xDEAD, f"hangs: {ended}"
        return ended


def flash(project: Project, *argv: str | Path, **environment: str) -> Ended:
    """Run it to its end."""
    return Flash(project, *argv, **environment).wait()


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below one, parents first."""
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield int(child)
                yield from descendants(int(child))
