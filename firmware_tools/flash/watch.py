"""Edit here, see it run there: every save of a project becomes a version on trial on a device.

    saved -> built (what is unchanged was built before) -> sent (what is new) -> restarted -> judged by the device
      `-> a mistake: said at once, nothing is sent                                              `-> not healthy: the
                                                                                  version before runs again, and why

Nothing here decides what runs: the device does, also when this loop is stopped or the connection is lost. A save that
comes while a version is being judged replaces it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from edge_sdk.errors import EdgeError, HealthGateError
from firmware_tools.bundle import Bundle, Manifest
from firmware_tools.flash.events import Events, clean
from firmware_tools.flash.saves import POLL_S, Saves
from firmware_tools.flash.trial_round import News, Round, last_words, new_lines
from firmware_tools.flash.watch_told import Sending, Told
from firmware_tools.update.messages import AppStatus

#: How often the device is asked: until a version gives results, until it is judged, and then.
LOOKS_S = (0.1, 0.5, 1.0)
LOGS_S = 1.0
AGAIN_S = 2.0
LOG_LINES = 200
#: A save is younger than this when it is noticed, or the file's time is not to be believed.
YOUNG_S = 5.0


class Target(Protocol):
    """The device; see `WatchedDevice`."""

    name: str

    @property
    def target(self) -> str: ...

    def newest(self) -> int: ...

    def seen(self) -> AppStatus | None: ...

    def send(self, bundle: Bundle, events: Events) -> None: ...

    def status(self) -> AppStatus | None: ...

    def logs(self, lines: int) -> list[str]: ...

    def tidy(self) -> None: ...

    def connect(self, *, lock: bool = True) -> None: ...


class Project(Protocol):
    """What is edited."""

    def files(self) -> Sequence[Path]:
        """Return the files it is made of, whether they are there or not."""
        ...

    def build(self, counter: int) -> Bundle:
        """Return it as a signed bundle.

        Raises:
            EdgeError: a mistake in it.
        """
        ...


class Watch:
    """One session; `run` ends by an exception only, Ctrl-C for one.

    Args:
        project: what is edited.
        target: where it runs.
        told: hears everything.
        once: False: go on with each save. True: run it there once; then a mistake or a version that is given up ends
            the session.
    """

    def __init__(
        self,
        project: Project,
        target: Target,
        told: Told,
        *,
        once: bool = False,
        saves: Saves | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._project, self._target, self._told, self._once = project, target, told, once
        self._saves = saves or Saves()
        self._clock, self._wall, self._sleep = clock, wall, sleep
        self._counter = target.newest()
        self._round: Round | None = None
        self._number = 0
        self._sent: Manifest | None = None
        self._status = target.seen()
        self._log: list[str] = []
        self._held_back: list[str] = []
        self._look_at_s = self._logs_at_s = self._connect_at_s = 0.0
        self._lost = self._due = False

    def run(self, duration_s: float | None = None) -> None:
        """Watch until something ends it, or for a while.

        Raises:
            KeyboardInterrupt: a person has seen enough; see `farewell`.
            EdgeError: with `once`, what went wrong.
        """
        until_s = None if duration_s is None else self._clock() + duration_s
        self._saves.follow(self._project.files())
        self._next([], self._clock())
        while until_s is None or self._clock() < until_s:
            self._sleep(POLL_S)
            saved = [] if self._once else self._saves.poll()
            if saved:
                self._next(saved, self._save_s(saved))
            elif not self._lost:
                self._follow()
            elif self._clock() >= self._connect_at_s:
                self._connect()

    def farewell(self) -> None:
        """Say what goes on running there, after the loop was left at any moment."""
        try:
            self._target.connect(lock=False)  # the last question may still be on its way over the old one
            status = self._target.status()
        except EdgeError as lost:
            text = f"{self._target.target}: cannot be asked any more ({clean(lost.message, 200)}); it decides alone"
            self._told.news(News("end", text, {"runs": "", "trial": "", "text": text}))
            return
        self._told.news(ending(status, self._target))

    # -- a round ---------------------------------------------------------------------------------------------------

    def _save_s(self, saved: Sequence[Path]) -> float:
        """Return when that was, on our clock."""
        times_s = [path.stat().st_mtime for path in saved if path.is_file()]
        age_s = self._wall() - max(times_s) if times_s else 0.0
        return self._clock() - (age_s if 0 <= age_s < YOUNG_S else 0.0)

    def _next(self, saved: Sequence[Path], saved_s: float) -> None:
        """Build, and send what is new."""
        self._due = False
        self._saves.follow(self._project.files())  # before they are read
        self._number += 1
        words = ", ".join(clean(path.name, 60) for path in saved[:4]) + (" ..." if len(saved) > 4 else "")
        text = f"{self._number}: {words} saved" if saved else f"{self._target.name} -> {self._target.target}"
        self._told.news(News("saved", text, {"round": self._number, "files": [str(path) for path in saved]}))
        try:
            bundle = self._project.build(max(self._counter, self._target.newest()) + 1)
        except EdgeError as mistake:
            self._refused(mistake)
            return
        with bundle:
            same = self._sent is not None and replace(bundle.manifest, counter=0) == self._sent
            if same and self._round is not None and self._round.outcome != "reverted":
                self._told.news(News("unchanged", "  nothing of it has changed", {}))
                return
            self._send(bundle, saved_s)

    def _send(self, bundle: Bundle, saved_s: float) -> None:
        self._counter = bundle.manifest.counter
        sending = Sending(self._told)
        try:
            if self._lost:
                self._target.connect()
                self._lost = False
            self._target.send(bundle, sending)
        except EdgeError as fault:
            sending.close()
            if self._is_reached():
                self._refused(fault)
            else:
                self._due = True
                self._is_lost(fault)
            return
        slot = sending.planned.slot if sending.planned is not None else ""
        before = self._target.seen()
        self._sent = replace(bundle.manifest, counter=0)
        self._round = Round(slot, before.pid if before is not None else 0, saved_s)
        self._told.news(sending.sent(self._round.after_s(self._clock())))
        self._held_back = []
        self._look_at_s, self._logs_at_s = self._clock(), self._clock() + LOGS_S

    def _refused(self, error: EdgeError) -> None:
        """Say at once what is wrong; what runs there runs on."""
        if self._once:
            raise error
        lines = [f"error: {clean(error.message)}", *([f"try: {clean(error.hint)}"] if error.hint else [])]
        if self._status is not None and self._status.current:
            lines.append(f"  not sent; {clean(self._status.current)} runs on")
        fields = {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}
        self._told.news(News("refused", "\n".join(lines), fields))

    # -- in between ------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Ask the device when it is time to."""
        now_s = self._clock()
        if now_s < self._look_at_s:
            return
        try:
            status = self._target.status()
            if status is None:
                return
            self._status = status
            self._judge(status)
            if self._clock() >= self._logs_at_s:
                self._stream(status)
        except HealthGateError:
            raise
        except EdgeError as lost:
            self._is_lost(lost)
        self._look_at_s = self._clock() + self._pause_s()

    def _pause_s(self) -> float:
        if self._round is None or self._round.outcome:
            return LOOKS_S[2]
        return LOOKS_S[1] if self._round.runs else LOOKS_S[0]

    def _judge(self, status: AppStatus) -> None:
        """Tell what is new about the round under way."""
        current = self._round
        if current is None or current.outcome:
            return
        for news in current.look(status, self._clock()):
            if news.event == "reverted":
                self._given_up(news, current)
            else:
                self._told.news(news)
            if news.event == "healthy":
                self._target.tidy()

    def _given_up(self, news: News, current: Round) -> None:
        with suppress(EdgeError):  # the next look says so
            self._read_log()
        words = last_words(self._held_back, current.slot)
        said = [news.text, *(["  its last words:"] if words else []), *(f"  | {line}" for line in words)]
        self._told.news(News(news.event, "\n".join(said), {**news.fields, "log": words}))
        self._held_back = []
        if self._once:
            raise HealthGateError(f"{self._target.name} was not healthy on {self._target.target}: {current.reason}")

    def _stream(self, status: AppStatus) -> None:
        """Tell figures and log; the log of a version that is judged is kept for its verdict."""
        self._logs_at_s = self._clock() + LOGS_S
        self._read_log()
        if self._round is None or self._round.outcome:
            self._told.lines(self._held_back)
            self._held_back = []
            self._told.figures(status, self._clock())

    def _read_log(self) -> None:
        lines = self._target.logs(LOG_LINES)
        self._held_back = [*self._held_back, *new_lines(self._log, lines)][-2 * LOG_LINES :]
        self._log = lines

    # -- the connection --------------------------------------------------------------------------------------------

    def _is_reached(self) -> bool:
        """Return whether the device still answers: then it was not the connection that failed."""
        try:
            self._status = self._target.status()
        except EdgeError:
            return False
        return True

    def _is_lost(self, lost: EdgeError) -> None:
        if not self._lost:
            text = f"connection lost: {clean(lost.message, 300)}; trying again, the device goes on alone"
            self._told.news(News("lost", text, {"error": lost.message}))
        if self._once and self._round is None:
            raise lost
        self._lost = True
        self._connect_at_s = self._clock() + AGAIN_S

    def _connect(self) -> None:
        try:
            self._target.connect()
        except EdgeError as lost:
            self._is_lost(lost)
            return
        self._lost = False
        self._told.news(News("connected", "connected again", {}))
        if self._due:
            self._next([], self._clock())


def ending(status: AppStatus | None, target: Target) -> News:
    """Return the last news: what runs there from now on."""
    good = status.confirmed.id if status is not None and status.confirmed is not None else ""
    trial = status.trial.id if status is not None and status.trial is not None else ""
    if trial:
        back = f"else {clean(good)} runs again" if good else "else nothing runs there"
        text = f"{clean(trial)} is still judged by {target.target}, alone: it is kept if it is healthy, {back}"
    else:
        text = f"{clean(good)}, the last good version, runs on on {target.target}" if good else "nothing runs there"
    return News("end", text, {"runs": good, "trial": trial, "text": text})
