"""What a watch tells: lines for people on stderr, or one JSON object per line on stdout.

saved refused unchanged sent restarted results verdict healthy reverted     of one round
status log lost connected note                                             in between
end                                                                        always the last one
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

import msgspec
from rich.console import Console
from rich.text import Text

from edge_sdk.units import seconds, si_bytes
from firmware_tools.flash.events import Events, JsonEvents, PeopleEvents, clean
from firmware_tools.flash.plan import Plan, Step
from firmware_tools.flash.trial_round import News
from firmware_tools.update.messages import AppStatus

#: Without a terminal: figures at most so often.
FIGURES_EVERY_S = 10.0
#: Of a log, at once.
MOST_LINES = 40
#: A step that takes longer is spoken of.
LONG_S = 1.0


class Told(Protocol):
    """Where a watch speaks."""

    events: Events
    """For what is sent."""

    def news(self, news: News) -> None: ...

    def lines(self, lines: Sequence[str]) -> None: ...

    def figures(self, status: AppStatus, now_s: float) -> None: ...


def note(text: str) -> News:
    """Return words without further meaning."""
    return News("note", text, {"text": text})


class JsonTold:
    """NDJSON."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self.events: Events = JsonEvents(self._stream)

    def news(self, news: News) -> None:
        self._write(news.event, **news.fields)

    def lines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._write("log", line=line)

    def figures(self, status: AppStatus, now_s: float) -> None:
        self._write("status", **msgspec.to_builtins(status))

    def _write(self, event: str, **fields: Any) -> None:
        self._stream.write(json.dumps({"event": event, **fields}) + "\n")
        self._stream.flush()


class PeopleTold:
    """Words; on a terminal the figures stay in its last line."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, markup=False, highlight=False)
        self.events: Events = PeopleEvents(self._console)
        self._drawn = False
        self._next_s = 0.0

    def news(self, news: News) -> None:
        if news.text:
            self._say(*news.text.split("\n"))

    def lines(self, lines: Sequence[str]) -> None:
        left = len(lines) - MOST_LINES
        if left > 0:
            self._say(f"  | ... {left} lines more")
        self._say(*(f"  | {clean(line)}" for line in lines[-MOST_LINES:]))

    def figures(self, status: AppStatus, now_s: float) -> None:
        if not self._console.is_terminal and now_s < self._next_s:
            return
        self._next_s = now_s + FIGURES_EVERY_S
        line = f"  {clean(status.verdict, 200)}; {figures(status)}"
        if self._console.is_terminal:
            self._wipe()
            width = max(20, self._console.width - 1)
            self._console.print(Text(line[:width]), end="\r", soft_wrap=True)
            self._drawn = True
        else:
            self._say(line)

    def _say(self, *lines: str) -> None:
        self._wipe()
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)

    def _wipe(self) -> None:
        if self._drawn:
            self._console.print(Text(" " * (self._console.width - 1)), end="\r", soft_wrap=True)
        self._drawn = False


def figures(status: AppStatus) -> str:
    """Return the figures of an application in one line."""
    sent = f"{status.results} results, {status.delivered} delivered, {status.waiting} waiting"
    return f"{sent}, p99 {status.p99_ms:.1f} ms, {status.memory_mib} MiB, process {status.pid}"


class Sending:
    """The events of sending one version: of steps only those that take long are spoken of.

    Attributes:
        plan: what is done; None before that is known.
        spent: step -> seconds.
    """

    def __init__(self, told: Told) -> None:
        self._told = told
        self._all = isinstance(told.events, JsonEvents)
        self.planned: Plan | None = None
        self.spent: dict[str, float] = {}

    def plan(self, plan: Plan) -> None:
        self.planned = plan
        if self._all:
            self._told.events.plan(plan)
        for text in plan.notes:
            self.note(clean(text))
        if any(step.kind == "site" for step in plan.steps):
            self.note(
                f"  its packages are not there yet: {si_bytes(plan.bytes)} to send; later rounds send changes only"
            )

    def note(self, text: str) -> None:
        self._told.news(note(text))

    def begin(self, step: Step) -> None:
        self._told.events.begin(step)

    def end(self, step: Step, spent_s: float) -> None:
        self.spent[step.id] = spent_s
        if self._all or spent_s >= LONG_S:
            self._told.events.end(step, spent_s)
        else:
            self._told.events.close()

    def progress(self, phase: str, done: int, total: int) -> None:
        self._told.events.progress(phase, done, total)

    def verdict(self, status: AppStatus) -> None:
        """The round speaks of it."""

    def result(self, result: dict[str, Any]) -> None:
        """There is a round to come."""

    def close(self) -> None:
        self._told.events.close()

    def sent(self, after_s: float) -> News:
        """Return what was sent."""
        puts = [step for step in self.planned.steps if step.kind == "put"] if self.planned is not None else []
        size = sum(step.bytes for step in puts)
        files = "1 file" if len(puts) == 1 else f"{len(puts)} files"
        text = f"  sent after {seconds(after_s)}: {files}, {si_bytes(size)}"
        slot = self.planned.slot if self.planned is not None else ""
        return News(
            "sent",
            text,
            {"seconds": round(after_s, 3), "slot": slot, "files": len(puts), "bytes": size, "steps": self.spent},
        )
