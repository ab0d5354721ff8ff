r"""From scores to an alarm that a person can believe: k of the last n frames, hysteresis, a least duration.

score  on  - - - - - - x- -x-x - - - - - - - - -        alarm rises when k of the last n frames reach `on`,
       off - - - x- - - - - - - - x- x - - - - -        falls when fewer than k of the last n reach `off`
alarm  ____________________/^^^^^^^^^^^^^^^\______        and `hold_s` have passed since the last that did
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_sdk.config import Where
from edge_sdk.dsp.base import Kernels, expect_kind
from edge_sdk.reading import Frame, StreamSpec
from edge_sdk.registry import nearest


class ThresholdOptions(msgspec.Struct, frozen=True, kw_only=True):
    """When to raise the alarm and when to take it back."""

    on: Annotated[float, Meta(description="a frame speaks for the alarm when its score is at least this")]
    off: Annotated[
        float | None, Meta(description="once raised, a frame keeps the alarm when its score is at least this")
    ] = None
    k: Annotated[int, Meta(ge=1, le=10000, description="how many frames must speak for the alarm")] = 1
    n: Annotated[
        Annotated[int, Meta(ge=1, le=10000)] | None,
        Meta(description="among how many of the latest frames; k when absent"),
    ] = None
    labels: Annotated[
        list[str], Meta(description="look at the sum of the scores of these labels; without any, at the winner's score")
    ] = []
    hold_s: Annotated[
        float, Meta(ge=0, description="least time from the last frame that kept the alarm to its end")
    ] = 0.0


class Alarm:
    """The decision alone: one score after the other in, raised or not out.

    Args:
        on, off: levels, off <= on.
        k, n: votes needed and votes remembered, 1 <= k <= n.
        hold_s: see the module's picture.
    """

    def __init__(self, on: float, off: float, k: int, n: int, hold_s: float = 0.0) -> None:
        self._on, self._off, self._k, self._hold_s = on, off, k, hold_s
        self._scores: deque[float] = deque(maxlen=n)
        self._kept_s = float("-inf")
        self.raised = False

    def push(self, score: float, time_s: float) -> bool:
        """Take the next score and its time; return whether the alarm is raised. NaN never speaks for it."""
        self._scores.append(score)
        level = self._off if self.raised else self._on
        if sum(value >= level for value in self._scores) >= self._k:
            self.raised = True
            self._kept_s = time_s
        elif self.raised and time_s - self._kept_s >= self._hold_s:
            self.raised = False
        return self.raised


class ThresholdStep:
    """The step `threshold`: adds `alarm` to a frame; `score` becomes the number that was looked at."""

    Options = ThresholdOptions

    def __init__(
        self, options: ThresholdOptions, where: Where, spec: StreamSpec, kernels: Kernels | None = None
    ) -> None:
        expect_kind(spec, ("scores", "features"), where)
        off = options.on if options.off is None else options.off
        votes = options.k if options.n is None else options.n
        if off > options.on:
            raise where.at("off").error(f"expected at most on = {options.on:g}, got {off:g}")
        if votes < options.k:
            raise where.at("n").error(f"expected at least k = {options.k}, got {votes}")
        self._indices = _indices(options.labels, spec, where)
        self._alarm = Alarm(options.on, off, options.k, votes, options.hold_s)
        self.output = spec

    def push(self, frame: Frame) -> list[Frame]:
        """Return the frame with its alarm. A stale frame is no new evidence: the alarm stays as it is."""
        score = self._score(frame)
        raised = self._alarm.raised if frame.stale else self._alarm.push(score, frame.time_s)
        return [replace(frame, score=score, alarm=raised)]

    def _score(self, frame: Frame) -> float:
        values = frame.data.reshape(-1)
        if self._indices:
            return float(values[self._indices].sum())
        return float(values.max()) if frame.score is None else frame.score


def _indices(labels: Sequence[str], spec: StreamSpec, where: Where) -> list[int]:
    known, place = list(spec.labels), where.at("labels")
    if labels and not known:
        raise place.error("the model names no labels; leave this key out to look at the winner's score")
    for index, label in enumerate(labels):
        if label not in known:
            names = ", ".join(known)
            raise place.at(index).error(f"the model has no label {label!r}{nearest(label, known)} (known: {names})")
    return [known.index(label) for label in dict.fromkeys(labels)]
