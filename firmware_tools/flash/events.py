"""The one place that shows what a flash does: words for people on stderr, or NDJSON on stdout.

    {"event": "plan", "target": ..., "steps": [...]}
    {"event": "begin", "step": "put:..."}          {"event": "end", "step": ..., "seconds": 1.25}
    {"event": "progress", "phase": "put:...", "done": 4096, "total": 8192, "rate": 2048.0, "eta_s": 2.0}
    {"event": "verdict", "phase": "trial", "attempts": 1, "text": "no results yet"}
    {"event": "note", "text": ...}
    {"event": "result", "outcome": "running", ...}  always the last line

Everything that came from a device or a file is made printable here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from edge_sdk.units import printable, seconds, si_bytes
from firmware_tools.flash.plan import Plan, Step
from firmware_tools.update.messages import AppStatus

#: Fewer bytes than this are there before a bar could be read.
BAR_BYTES = 1 << 20
#: NDJSON: at most so often.
PROGRESS_EVERY_S = 0.1
LONGEST_TEXT = 2000


class Events(Protocol):
    """What the engine tells."""

    def plan(self, plan: Plan) -> None: ...

    def note(self, text: str) -> None: ...

    def begin(self, step: Step) -> None: ...

    def end(self, step: Step, spent_s: float) -> None: ...

    def progress(self, phase: str, done: int, total: int) -> None: ...

    def verdict(self, status: AppStatus) -> None: ...

    def result(self, result: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def clean(text: str, most: int = LONGEST_TEXT) -> str:
    """Return text of a stranger for a terminal: no control characters, and not too much of it."""
    return printable(text[:most]).replace("\n", " ")


class Rate:
    """How fast, and how much longer; over the whole phase, so that it does not jump."""

    def __init__(self, done: int, now_s: float) -> None:
        self._start, self._began_s = done, now_s

    def figures(self, done: int, total: int, now_s: float) -> tuple[float, float | None]:
        """Return (bytes per second, seconds left or None while nobody can tell)."""
        spent_s = now_s - self._began_s
        rate = (done - self._start) / spent_s if spent_s > 0 else 0.0
        return rate, (total - done) / rate if rate > 0 else None


class JsonEvents:
    """One JSON object per line on stdout."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._clock = clock
        self._phase, self._rate, self._shown_s = "", Rate(0, 0.0), 0.0

    def plan(self, plan: Plan) -> None:
        self._write("plan", **msgspec.to_builtins(plan))

    def note(self, text: str) -> None:
        self._write("note", text=text)

    def begin(self, step: Step) -> None:
        self._write("begin", step=step.id)

    def end(self, step: Step, spent_s: float) -> None:
        self._write("end", step=step.id, seconds=round(spent_s, 3))

    def progress(self, phase: str, done: int, total: int) -> None:
        now_s = self._clock()
        first = phase != self._phase
        if first:
            self._phase, self._rate = phase, Rate(done, now_s)
        if not first and done < total and now_s < self._shown_s + PROGRESS_EVERY_S:
            return
        self._shown_s = now_s
        rate, eta_s = self._rate.figures(done, total, now_s)
        left = None if eta_s is None else round(eta_s, 1)
        self._write("progress", phase=phase, done=done, total=total, rate=round(rate, 1), eta_s=left)

    def verdict(self, status: AppStatus) -> None:
        self._write("verdict", phase=status.phase, attempts=status.attempts, text=status.verdict)

    def result(self, result: dict[str, Any]) -> None:
        self._write("result", **result)

    def close(self) -> None:
        """Nothing to give back."""

    def _write(self, event: str, **fields: Any) -> None:
        try:
            self._stream.write(json.dumps({"event": event, **fields}) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            # Whoever read has enough (`| head`); what was begun on a device is ended all the same.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class PeopleEvents:
    """Words on stderr; a bar on a terminal, a line per 10 % elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, markup=False, highlight=False)
        self._bar: Progress | None = None
        self._task: Any = None
        self._phase, self._percent = "", -1
        self._texts: dict[str, str] = {}

    def plan(self, plan: Plan) -> None:
        for line in summary(plan):
            self.note(line)

    def note(self, text: str) -> None:
        self._console.print(Text(clean(text)), soft_wrap=True)

    def begin(self, step: Step) -> None:
        self._texts[step.id] = step.text
        if step.kind == "gate":
            self.note(step.text)

    def end(self, step: Step, spent_s: float) -> None:
        self.close()
        self.note(f"  done  {step.text} ({seconds(spent_s)})")

    def progress(self, phase: str, done: int, total: int) -> None:
        if total < BAR_BYTES:
            return
        text = clean(self._texts.get(phase, phase), 60).rstrip(", ")
        if phase != self._phase:
            self.close()
            self._phase, self._percent = phase, -1
        if self._console.is_terminal:
            self._draw(text, done, total)
        elif (percent := 100 * done // total // 10 * 10) != self._percent:
            self._percent = percent
            self.note(f"  {percent:3d} % of {si_bytes(total)}: {text}")

    def verdict(self, status: AppStatus) -> None:
        where = f"{status.phase}, start {status.attempts}" if status.attempts else "not started yet"
        where = where if status.trial is not None else status.phase
        self.note(f"  {where}: {status.verdict or 'nothing known yet'}")

    def result(self, result: dict[str, Any]) -> None:
        self.close()
        if result.get("text"):
            self.note(str(result["text"]))

    def close(self) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._phase = None, ""

    def _draw(self, text: str, done: int, total: int) -> None:
        if self._bar is None:
            words = TextColumn("  {task.description}", markup=False)
            columns = (words, BarColumn(), DownloadColumn(True), TransferSpeedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task(text, total=total, completed=done)
            self._bar.start()
        self._bar.update(self._task, completed=done)


def summary(plan: Plan) -> list[str]:
    """Return what a person reads before saying yes."""
    switches = any(step.risk == "replaces-app" for step in plan.steps)
    over = f", in place of {plan.replaces}" if plan.replaces and switches else ""
    board = f" ({plan.board})" if plan.board else ""
    lines = [f"{plan.app} {plan.version or 'given up'} -> {plan.target}{board}{over}"]
    lines += [f"note: {note}" for note in plan.notes]
    sends = [step for step in plan.steps if step.bytes]
    for step in plan.steps:
        if step.kind == "put" and step.bytes < BAR_BYTES and len(sends) > 6:
            continue  # many small files: the sum below is enough
        mark = "!" if step.risk == "replaces-app" else " "
        lines.append(f"  {mark} {step.text}")
    if sends:
        lines.append(f"  {len(sends)} files, {si_bytes(plan.bytes)} to send")
    return lines
