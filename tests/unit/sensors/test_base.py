from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_sdk.config import Where
from edge_sdk.errors import ConfigError
from edge_sdk.sensors.base import Channel, SampleClock, Scaling, channels_or_default

WHERE = Where(Path("p.toml"), "sources.a")


def test_even_samples_get_even_times_though_they_arrive_in_bursts() -> None:
    clock = SampleClock(100.0)
    arrivals = [0.10, 0.22, 0.30, 0.43, 0.50]
    times = [clock.stamp(now_s, 10) for now_s in arrivals]
    steps = np.diff(times)
    assert np.abs(steps - 0.1).max() < 0.001
    assert clock.resets == 0


def test_the_clock_follows_a_long_silence_with_a_new_anchor() -> None:
    clock = SampleClock(100.0)
    clock.stamp(0.1, 10)
    assert clock.stamp(5.0, 10) == pytest.approx(4.91)
    assert clock.resets == 1


def test_the_clock_follows_a_rate_that_is_slightly_off() -> None:
    clock = SampleClock(1000.0)
    for block in range(2000):
        time_s = clock.stamp(block * 0.1001 + 0.1, 100)
    assert abs(time_s - (1999 * 0.1001)) < 0.02
    assert clock.resets == 0


def test_scaling_applies_scale_and_offset_and_stays_finite() -> None:
    scaling = Scaling([Channel(name="x", unit="g", scale=0.5, offset=1), Channel(name="y", scale=1e300)])
    found = scaling.apply(np.array([[4.0, 1e300], [0.0, 0.0]]))
    assert found.dtype == np.float32
    assert found[:, 0].tolist() == [3.0, 1.0]
    assert np.isfinite(found).all()
    assert scaling.units == ("g", "")


def test_channel_names_are_unique() -> None:
    with pytest.raises(ConfigError, match=r"sources\.a\.channels\[1\]\.name: 'x' is already"):
        channels_or_default([Channel(name="x"), Channel(name="x")], 2, WHERE)
