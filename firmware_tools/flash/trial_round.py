"""What became of a version that was put on trial: the device's statuses in, news for the one who waits out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_sdk.units import seconds
from firmware_tools.flash.events import clean
from firmware_tools.update.messages import AppStatus

LAST_LINES = 15
#: A start takes so long; what is missing meanwhile is nothing to speak of.
QUIET_S = 3.0


@dataclass(frozen=True)
class News:
    """Something happened: a word for programs, a line for people."""

    event: str
    text: str
    fields: dict[str, Any] = field(default_factory=dict)


class Round:
    """One version from its save to its verdict.

    Args:
        slot: what it is called on the device.
        before_pid: the process that ran there when it was sent, 0 for none.
        saved_s: when the save happened, on the clock that is given to `look`.

    Attributes:
        runs: its process has given results.
        outcome: "healthy" or "reverted" once the device has decided.
        reason: why it was given up.
    """

    def __init__(self, slot: str, before_pid: int, saved_s: float) -> None:
        self.slot = slot
        self.runs = False
        self.outcome = ""
        self.reason = ""
        self._before_pid, self._saved_s = before_pid, saved_s
        self._restarted = False
        self._verdict = ""

    def after_s(self, now_s: float) -> float:
        """Return the seconds since the save."""
        return max(0.0, now_s - self._saved_s)

    def look(self, status: AppStatus, now_s: float) -> Iterator[News]:
        """Take one status into account."""
        if self.outcome:
            return
        after_s = self.after_s(now_s)
        if status.current == self.slot and status.pid not in (0, self._before_pid):
            if not self._restarted:
                self._restarted = True
                yield _timed("restarted", "restarted", after_s, pid=status.pid)
            if status.results and not self.runs:
                self.runs = True
                yield _timed("results", "first results", after_s, results=status.results)
        if status.trial is not None and status.trial.id == self.slot:
            yield from self._judged(status, after_s)
        elif status.confirmed is not None and status.confirmed.id == self.slot:
            self.outcome = "healthy"
            yield _timed("healthy", "healthy and kept", after_s, slot=self.slot)
        else:
            yield self._given_up(status, after_s)

    def _judged(self, status: AppStatus, after_s: float) -> Iterator[News]:
        """Yield what the device's judge misses, when that changes."""
        if after_s >= QUIET_S and status.attempts and status.verdict not in ("", "healthy", self._verdict):
            self._verdict = status.verdict
            yield News("verdict", f"  not healthy yet: {clean(status.verdict)}", {"text": status.verdict})

    def _given_up(self, status: AppStatus, after_s: float) -> News:
        self.outcome = "reverted"
        reasons = [failure.reason for failure in status.failures if failure.slot == self.slot]
        self.reason = clean(reasons[-1], 1000) if reasons else "another version was put on trial instead"
        back = f"{status.confirmed.id} runs again" if status.confirmed is not None else "nothing runs there now"
        text = f"  given up by the device after {seconds(after_s)}: {self.reason}\n  {clean(back)}"
        current = status.confirmed.id if status.confirmed is not None else ""
        return News(
            "reverted", text, {"slot": self.slot, "reason": self.reason, "runs": current, "seconds": round(after_s, 3)}
        )


def new_lines(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return what was added to the end of a log, of which only the last lines are seen each time."""
    for known in range(min(len(before), len(now)), 0, -1):
        if list(before[-known:]) == list(now[:known]):
            return list(now[known:])
    return list(now)


def last_words(lines: Sequence[str], slot: str) -> list[str]:
    """Return the last lines of a version that was given up, without what the one after it has said."""
    ends = [number for number, line in enumerate(lines) if slot in line and "given up" in line]
    mine = lines[: ends[0]] if ends else lines
    return [clean(line) for line in mine[-LAST_LINES:]]


def _timed(event: str, words: str, after_s: float, **fields: Any) -> News:
    return News(event, f"  {words} after {seconds(after_s)}", {"seconds": round(after_s, 3), **fields})
