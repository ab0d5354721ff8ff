"""Lets every change that a flash makes on a device fail, one after the other, and looks at what is left each time.

    tally = drive(place, project, [old, new], "enospc", range(1, count + 1))
    tally.mistakes       # a sentence for each broken promise

One round: the device as it was; `edge-sdk flash` with the Nth change failing; then, as in every kill test,
    the old or the new version is in force, and whole, byte by byte
    the command ended as commands end: an exit code of ours, no traceback
    the same command again, without a fault, ends with 0, and the new version is in force
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.faults.shim import Action, Fault
from tests.target.checker import Unsealed, look
from tests.target.flashing import flash
from tests.target.killing import FolderPlace, complete, in_parallel, judge, manner
from tests.target.project import NAME, Project


@dataclass
class Tally:
    """What came out of many rounds."""

    rounds: int = 0
    fired: int = 0
    kept_old: int = 0
    took_new: int = 0
    mistakes: list[str] = field(default_factory=list)


def count_calls(place: FolderPlace, project: Project, new: Unsealed, aside: Path) -> list[tuple[str, str]]:
    """Return (call, path) of every change that an undisturbed flash makes."""
    place.restore()
    fault = Fault(place.root, aside)
    ended = flash(project, new.path, *place.words, **fault.environment(log=True))
    assert ended.code == 0, ended
    log = fault.log()
    assert len(log) == fault.calls > 0
    return log


def drive(
    place: FolderPlace,
    project: Project,
    releases: Sequence[Unsealed],
    action: Action,
    numbers: Iterable[int],
    aside: Path,
) -> Tally:
    """Let each of these numbers fail in this way.

    Args:
        releases: (old, new), or only (new,) where nothing is installed yet.
        aside: a folder for the shim's own files.
    """
    tally = Tally()

    def one(place: FolderPlace, number: int) -> None:
        beside = aside / f"fault-{number}"
        beside.mkdir()
        fault = Fault(place.root, beside, action, number)
        ended = flash(project, releases[-1].path, *place.words, **fault.environment())
        found = look(place.root, NAME, releases)
        tally.rounds += 1
        tally.fired += fault.fired
        if found.wanted == releases[-1].slot:
            tally.took_new += 1
        else:
            tally.kept_old += 1
        mistakes = [*manner(ended), *judge(found, releases)] or complete(place, project, releases)
        tally.mistakes += [f"{action} {number}: {mistake}" for mistake in mistakes]
        shutil.rmtree(beside)

    in_parallel(place, list(numbers), one)
    return tally
