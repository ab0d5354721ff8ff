"""The demo's model and thresholds: no false alarm in ten healthy minutes, no fault missed, not even an unknown one."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from edge_sdk.sim.motor import MotorSettings
from tests.real.motor_line import DEMO, demo_line, run

FACTS = json.loads((DEMO / "motor.json").read_text())
WINDOW_S = 4096 / 12000


def test_the_committed_model_is_the_one_its_facts_describe():
    data = (DEMO / "motor.tflite").read_bytes()
    assert hashlib.sha256(data).hexdigest() == FACTS["sha256"]
    assert len(data) < 100_000


@pytest.mark.parametrize("gain", [0.25, 1.0, 4.0])
def test_ten_healthy_minutes_raise_no_alarm(gain):
    settings = MotorSettings(speed_drift=0.02, gain=gain, seed=round(100 * gain))
    with demo_line() as pipeline:
        frames = run(pipeline, settings, 600)
    assert len(frames) == (600 * 12000 - 4096) // 2048 + 1
    assert sum(frame.alarm for frame in frames) == 0
    # Not by luck: the score stays far from what the threshold asks for.
    assert np.mean([frame.score >= 0.8 for frame in frames]) < 0.02


@pytest.mark.parametrize(("fault", "strike_hz"), [("outer_race", 90.0), ("inner_race", 150.0), ("ball", 237.0)])
def test_a_fault_frequency_that_training_never_saw_alarms(fault, strike_hz):
    drift = 0.01
    low, high = strike_hz * (1 - 3 * drift), strike_hz * (1 + 3 * drift)
    assert any(begin <= low and high <= end for begin, end in FACTS["strike_hz_never_trained"])
    settings = MotorSettings(
        fault=fault, fault_at_s=20.0, strikes_per_turn=strike_hz / (1770 / 60), speed_drift=drift, seed=int(strike_hz)
    )
    with demo_line() as pipeline:
        frames = run(pipeline, settings, 40)
    alarms = [frame.time_s + WINDOW_S for frame in frames if frame.alarm]
    assert alarms, "no alarm"
    assert 20.0 < alarms[0] < 23.0
    assert all(frame.alarm for frame in frames if frame.time_s > 25.0)


@pytest.mark.parametrize("speed_rpm", [1200.0, 2900.0])
@pytest.mark.parametrize("fault", ["outer_race", "inner_race", "ball"])
def test_the_default_bearing_alarms_at_other_speeds(fault, speed_rpm):
    with demo_line() as pipeline:
        frames = run(pipeline, MotorSettings(fault=fault, fault_at_s=5.0, speed_rpm=speed_rpm, seed=11), 12)
    alarms = [frame.time_s + WINDOW_S for frame in frames if frame.alarm]
    assert alarms, "no alarm"
    assert alarms[0] > 5.0
