from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest

from edge_sdk.pipeline.stats import Stats
from edge_sdk.reading import Result


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def result(total_s: float, *, alarm: bool = False) -> Result:
    stamp = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return Result("d", "p", "s", 0, 0.0, stamp, np.zeros(1, np.float32), alarm=alarm, latency_s={"total": total_s})


def test_the_rate_is_that_of_the_last_two_seconds() -> None:
    clock = Clock()
    stats = Stats(clock)
    for _ in range(100):
        clock.now_s += 0.1
        stats.result(result(0.001))
    assert stats.results_per_s() == pytest.approx(10, abs=0.6)
    clock.now_s += 5
    assert stats.results_per_s() == 0
    assert stats.results == 100


def test_percentiles_are_of_what_happened() -> None:
    stats = Stats(Clock())
    for value in range(1, 101):
        stats.stage("model", value / 1000)
    assert stats.stages()["model"].p50_s == pytest.approx(0.051)
    assert stats.stages()["model"].p99_s == pytest.approx(0.1)


def test_alarms_are_counted_and_the_last_result_is_kept() -> None:
    stats = Stats(Clock())
    stats.result(result(1.0, alarm=True))
    stats.result(result(2.0))
    assert (stats.alarms, stats.results) == (1, 2)
    assert stats.last is not None
    assert stats.last.latency_s == {"total": 2.0}
