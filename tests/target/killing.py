"""One round of a kill test: a flash is cut off, the device is looked at, the command is given again.

The same rounds serve the tests (a few) and tests/campaigns (hundreds). A round returns its mistakes as sentences; none
is what everybody hopes for.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, Protocol, TypeVar

from tests.target.checker import Found, Unsealed, look
from tests.target.flashing import Ended, Flash, flash
from tests.target.gateway import Gateway
from tests.target.processes import application, kill, of_sessions, receivers, until
from tests.target.project import NAME, Project

T = TypeVar("T")
WORKERS = 2
Victim = Literal["machine", "operator", "receiver"]
#: What a command may answer that was disturbed on the device's side: not reached, refused, permission, transfer,
#: verification, time-out, busy.
CODES = frozenset((4, 5, 6, 7, 8, 11, 21))


class Place(Protocol):
    """A target of kill tests.

    Attributes:
        words: the options that name it.
        root: its disk, seen from here.
    """

    @property
    def words(self) -> tuple[str, ...]: ...

    @property
    def root(self) -> Path: ...

    def kill_receiver(self, flash: Flash) -> bool:
        """Kill the device's side; False when there is none now."""
        ...

    def power_cut(self) -> None:
        """Let the whole machine die at one moment and start again."""
        ...

    def settle(self) -> None:
        """Wait until nothing of a command that was cut off runs on the device any more."""
        ...

    def running(self, known: Sequence[Unsealed]) -> list[str]:
        """Return what is wrong with the running application; a folder has none."""
        ...


@dataclass
class FolderPlace:
    """A folder that stands for a device; `restore` makes it what the template is."""

    template: Path
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder

    @property
    def words(self) -> tuple[str, ...]:
        return ("--dir", str(self.root))

    def beside(self, number: int) -> FolderPlace:
        """Return another copy of the same device, so that rounds need not wait for each other."""
        return FolderPlace(self.template, self.folder.with_name(f"{self.root.name}-{number}"))

    def restore(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.template), str(self.root)], check=True)

    def kill_receiver(self, flash: Flash) -> bool:
        return flash.kill_receiver()

    def power_cut(self) -> None:
        raise AssertionError("a folder has no power")

    def settle(self) -> None:
        """Nothing to wait for: the receiver's pipe is closed, and the next command waits for its lock."""

    def running(self, known: Sequence[Unsealed]) -> list[str]:
        return []


@dataclass
class GatewayPlace:
    """A gateway, reached as `host` (an entry of the project file)."""

    gateway: Gateway
    host: str

    @property
    def words(self) -> tuple[str, ...]:
        return ("--host", self.host)

    @property
    def root(self) -> Path:
        return self.gateway.path("/")

    def kill_receiver(self, flash: Flash) -> bool:
        found = receivers(self.gateway)
        kill(*found)
        return bool(found)

    def power_cut(self) -> None:
        self.gateway.cut_network()  # or its kernel, which lives on, would say goodbye
        self.gateway.power_cut(boot=False)
        self.gateway.mend_network()
        self.gateway.boot()

    def settle(self) -> None:
        until(lambda: not of_sessions(self.gateway), "the device's side ends without its operator")

    def running(self, known: Sequence[Unsealed]) -> list[str]:
        slots = {release.slot for release in known}
        seen: list[str] = []

        def runs() -> bool:
            seen[:] = [Path(process.cwd).name for process in application(self.gateway)]
            return bool(seen)

        try:
            until(runs, "the application runs")
        except AssertionError:
            return ["nothing runs"]
        return [f"{slot} runs, expected one of {sorted(slots)}" for slot in seen if slot not in slots]


@dataclass
class Tally:
    """What came out of many rounds."""

    rounds: int = 0
    in_time: int = 0
    """How often the kill hit a command that still ran."""
    kept_old: int = 0
    took_new: int = 0
    mistakes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Moment:
    """When to kill: at an event of a step, or after some seconds."""

    event: str = ""
    step: str = ""
    after_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.event} {self.step}".strip() or f"{self.after_s:.3f} s"

    def come(self, flash: Flash) -> bool:
        """Wait for it; False when the command has ended before."""
        if self.event:
            return flash.wait_for(self.event, self.step)
        until_s = time.monotonic() + self.after_s
        while flash.running and time.monotonic() < until_s:
            time.sleep(0.001)
        return flash.running


def in_parallel(place: FolderPlace, jobs: Sequence[T], work: Callable[[FolderPlace, T], None]) -> None:
    """Do a round for each job, two at a time, each in a folder that was just restored."""
    places: SimpleQueue[FolderPlace] = SimpleQueue()
    for number in range(WORKERS):
        places.put(place.beside(number))

    def one(job: T) -> None:
        mine = places.get()
        try:
            mine.restore()
            work(mine, job)
        finally:
            shutil.rmtree(mine.root, ignore_errors=True)
            places.put(mine)

    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(one, jobs):
            pass


def kill_round(
    place: Place, project: Project, releases: Sequence[Unsealed], moment: Moment, victim: Victim, tally: Tally
) -> None:
    """Cut one flash of the last release off, look, and give the command again.

    Args:
        releases: all that may lie on the device; the last is the new one, the one before it is in force.
    """
    flashing = Flash(project, releases[-1].path, *place.words)
    tally.rounds += 1
    mistakes: list[str] = []
    if moment.come(flashing):
        tally.in_time += 1
        if victim == "operator":
            flashing.kill()
        else:
            if victim == "machine":
                place.power_cut()
            else:
                place.kill_receiver(flashing)
            mistakes += manner(flashing.wait())
    else:
        flashing.wait()
    place.settle()
    found = look(place.root, NAME, releases)
    if found.wanted == releases[-1].slot:
        tally.took_new += 1
    else:
        tally.kept_old += 1
    mistakes += judge(found, releases)
    if found.wanted:
        mistakes += place.running(releases[-2:])
    if not mistakes:
        mistakes = complete(place, project, releases)
    tally.mistakes += [f"{victim} killed at {moment}: {mistake}" for mistake in mistakes]


def manner(ended: Ended) -> list[str]:
    """Return what is wrong with the way a command ended whose device failed it."""
    if ended.code not in {0, *CODES}:
        return [f"the command ended with {ended}"]
    if "Traceback" in ended.err or "internal bug" in ended.err:
        return [f"a traceback: {ended}"]
    return []


def judge(found: Found, releases: Sequence[Unsealed]) -> list[str]:
    """Return what is wrong with a device after something was cut off.

    Args:
        releases: (..., old, new), or only (new,) where nothing was installed.
    """
    allowed = {release.slot for release in releases[-2:]} | ({""} if len(releases) == 1 else set())
    mistakes = list(found.mistakes)
    for what, slot in (("current leads to", found.current), ("the state asks for", found.wanted)):
        if slot not in allowed:
            mistakes.append(f"{what} {slot!r}, expected one of {sorted(allowed)}")
    return mistakes


def complete(place: Place, project: Project, releases: Sequence[Unsealed]) -> list[str]:
    """Give the command again; return what is wrong then."""
    ended = flash(project, releases[-1].path, *place.words)
    if ended.code != 0:
        return [f"given again: {ended}"]
    found = look(place.root, NAME, releases)
    mistakes = list(found.mistakes)
    if (found.current, found.wanted) != (releases[-1].slot, releases[-1].slot):
        mistakes.append(f"given again: current leads to {found.current!r}, the state asks for {found.wanted!r}")
    return mistakes + place.running(releases[-1:])


def step_moments(ended: Ended) -> list[Moment]:
    """Return both ends of every kind of step that an undisturbed flash went through."""
    kinds = dict.fromkeys(step.partition(":")[0] for step in ended.steps)
    return [Moment(event, kind) for kind in kinds for event in ("begin", "end")]


def random_moments(rng: random.Random, count: int, longest_s: float) -> Iterator[Moment]:
    for _ in range(count):
        yield Moment(after_s=rng.uniform(0.05, longest_s))


def timed(work: Callable[[], Ended]) -> tuple[Ended, float]:
    begin_s = time.monotonic()
    ended = work()
    return ended, time.monotonic() - begin_s
