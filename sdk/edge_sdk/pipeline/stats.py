"""Figures of a running pipeline: rates, latencies, losses; taken by the worker, read by whoever shows them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge_sdk.reading import Result

#: Latencies of this many frames are remembered for the percentiles.
REMEMBERED = 1000
RATE_SPAN_S = 2.0


@dataclass(frozen=True)
class Latency:
    """Seconds."""

    p50_s: float
    p99_s: float


@dataclass(frozen=True)
class Heard:
    """What came from one source.

    Attributes:
        readings: pieces of data since the start.
        at_s: when the last one arrived, monotonic; 0 for never.
    """

    readings: int = 0
    at_s: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """The figures at one moment.

    Attributes:
        stages: kind of step, and "total" -> latency.
        gaps: readings before which samples were missing.
        dropped: readings that the pipeline was too slow for.
        queue: readings waiting now.
        faults: failed inferences.
        restarts: models that were opened anew after a fault.
        heard: source -> what came from it.
        sources, sinks: id -> name -> count.
        sink_states: id -> one line.
    """

    elapsed_s: float
    results: int
    results_per_s: float
    alarms: int
    gaps: int
    dropped: int
    queue: int
    faults: int
    restarts: int
    stages: Mapping[str, Latency]
    heard: Mapping[str, Heard]
    sources: Mapping[str, Mapping[str, int]]
    sinks: Mapping[str, Mapping[str, int]]
    sink_states: Mapping[str, str]
    last: Result | None


class Stats:
    """Counts results and remembers latencies.

    Args:
        monotonic: the clock.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began_s = monotonic()
        self._latencies: dict[str, deque[float]] = {}
        self._times: deque[float] = deque()
        self.results = 0
        self.alarms = 0
        self.gaps = 0
        self.heard: dict[str, Heard] = {}
        self.last: Result | None = None

    @property
    def elapsed_s(self) -> float:
        return self._monotonic() - self._began_s

    def stage(self, kind: str, seconds: float) -> None:
        """Note what one frame cost in one step."""
        self._latencies.setdefault(kind, deque(maxlen=REMEMBERED)).append(seconds)

    def reading(self, source: str, arrived_s: float) -> None:
        """Note one reading."""
        self.heard[source] = Heard(self.heard.get(source, Heard()).readings + 1, arrived_s)

    def result(self, result: Result) -> None:
        """Note one result."""
        self.results += 1
        self.alarms += result.alarm
        self.last = result
        self.stage("total", result.latency_s["total"])
        now_s = self._monotonic()
        self._times.append(now_s)
        self._forget(now_s)

    def results_per_s(self) -> float:
        """Return the rate of the last two seconds."""
        now_s = self._monotonic()
        self._forget(now_s)
        span_s = min(RATE_SPAN_S, max(now_s - self._began_s, 1e-3))
        return len(self._times) / span_s

    def stages(self) -> dict[str, Latency]:
        """Return the latencies of the last frames."""
        return {kind: _latency(sorted(values)) for kind, values in self._latencies.items()}

    def _forget(self, now_s: float) -> None:
        while self._times and now_s - self._times[0] > RATE_SPAN_S:
            self._times.popleft()


def _latency(ordered: list[float]) -> Latency:
    return Latency(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)])
