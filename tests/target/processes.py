"""The processes of a target, seen from outside: which are the application's, which belong to somebody's SSH session."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.target.gateway import Gateway


class Process(NamedTuple):
    """One process; `pid` counts as here, not as in the target."""

    pid: int
    parent: int
    argv: tuple[str, ...]
    cwd: str


def processes(gateway: Gateway) -> dict[int, Process]:
    """Return all that live in the target now."""
    space = os.stat(f"/proc/{gateway.init_pid()}/ns/pid").st_ino
    found = {}
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, IndexError):
            if name.isdigit() and os.stat(f"/proc/{name}/ns/pid").st_ino == space:
                found[int(name)] = _process(int(name))
    return found


def _process(pid: int) -> Process:
    place = Path(f"/proc/{pid}")
    after_name = (place / "stat").read_text().rpartition(")")[2].split()
    argv = tuple(os.fsdecode(word) for word in (place / "cmdline").read_bytes().split(b"\0")[:-1])
    return Process(pid, int(after_name[1]), argv, os.readlink(place / "cwd"))


def of_sessions(gateway: Gateway) -> list[Process]:
    """Return what SSH sessions have started: shells, receivers, all below them."""
    living = processes(gateway)

    def above(process: Process) -> Iterator[Process]:
        while (parent := living.get(process.parent)) is not None:
            yield parent
            process = parent

    return [
        process
        for process in living.values()
        if not _is_sshd(process) and any(_is_sshd(parent) for parent in above(process))
    ]


def receivers(gateway: Gateway) -> list[Process]:
    """Return the Python programs among them: the device's side of a flash."""
    return [process for process in of_sessions(gateway) if any("python" in word for word in process.argv[:1])]


def application(gateway: Gateway) -> list[Process]:
    """Return the processes that run a pipeline."""
    wanted = ("edge_sdk.cli.main", "run", "pipeline.toml")
    return [process for process in processes(gateway).values() if process.argv[-3:] == wanted]


def kill(*which: Process) -> None:
    """SIGKILL, also for what is gone already."""
    for process in which:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def until(happened: Callable[[], object], what: str, patience_s: float = 20.0) -> None:
    """Wait for something that a target does."""
    deadline_s = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline_s, f"waited {patience_s:g} s in vain: {what}"
        time.sleep(0.02)


def _is_sshd(process: Process) -> bool:
    return bool(process.argv) and process.argv[0].startswith(("sshd", "/usr/sbin/sshd"))
