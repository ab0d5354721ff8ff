"""What /proc says about processes: which one it really is, what it takes, what it runs in.

A process id alone means little, for ids are used again; with the moment of its start it names one process of this boot.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
_MIB = 1 << 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One line of /proc/PID/stat (proc(5))."""

    pid: int
    state: str
    parent: int
    session: int
    ticks: int
    """When it started, in clock ticks since the machine did."""
    resident_bytes: int


def process_of(pid: int) -> Process | None:
    """Return a process that has not ended, or None."""
    if pid <= 0:
        return None
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
        # The name, in parentheses, may hold anything, other parentheses too.
        words = text[text.rindex(b")") + 2 :].split()
        found = Process(pid, words[0].decode(), int(words[1]), int(words[3]), int(words[19]), int(words[21]))
    except (OSError, ValueError, IndexError):
        return None
    return None if found.state in "ZX" else found._replace(resident_bytes=found.resident_bytes * _PAGE_BYTES)


def is_alive(pid: int, ticks: int) -> bool:
    """Return whether the process that started at this moment still runs."""
    found = process_of(pid)
    return found is not None and found.ticks == ticks


def processes() -> Iterator[Process]:
    """Yield all there are."""
    for entry in os.listdir(PROC):
        if entry.isdecimal() and (found := process_of(int(entry))):
            yield found


def family(pid: int) -> list[Process]:
    """Return a process, those it started, those they started, and whoever shares its session."""
    everybody = list(processes())
    children: dict[int, list[Process]] = {}
    for one in everybody:
        children.setdefault(one.parent, []).append(one)
    found = {one.pid: one for one in everybody if one.pid == pid or one.session == pid}
    waiting = list(found.values())
    while waiting:
        for child in children.get(waiting.pop().pid, ()):
            if child.pid not in found:
                found[child.pid] = child
                waiting.append(child)
    return list(found.values())


def memory_mib(pid: int) -> int:
    """Return the resident memory of a process and its family in MiB, rounded up; 0 where it has ended.

    Pages that several of them share count for each, so this is an upper bound.
    """
    return -(-sum(one.resident_bytes for one in family(pid)) // _MIB)


def with_variable(name: str, value: str) -> list[Process]:
    """Return the processes that were started with this variable of the environment, as far as we may know."""
    wanted, found = f"{name}={value}".encode(), []
    for one in processes():
        try:
            variables = (PROC / str(one.pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables:
            found.append(one)
    return found


def works_in(pid: int, folder: Path) -> bool:
    """Return whether the working folder of a process is this one, whatever either is called."""
    try:
        return os.path.samestat((PROC / str(pid) / "cwd").stat(), folder.stat())
    except OSError:
        return False
