from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_sdk.dsp.envelope import envelope
from edge_sdk.errors import UsageError
from edge_sdk.sim.bearing import FAULTS
from edge_sdk.sim.motor import Motor, MotorSettings

RATE_HZ = 12000
QUIET = MotorSettings(speed_drift=0.0, noise_drift=0.0, slip=0.001, seed=3)


def spectrum(samples, low_hz=1500, high_hz=5900):
    """Return frequencies and amplitudes of the envelope."""
    size = len(samples)
    level = envelope(samples, low_hz * size // RATE_HZ, high_hz * size // RATE_HZ, relative=True)
    return np.fft.rfftfreq(size, 1 / RATE_HZ), np.abs(np.fft.rfft(level[:, 0])) / size * 2


def peak(samples, hz):
    frequencies, sizes = spectrum(samples)
    return sizes[np.abs(frequencies - hz) < 2].max()


@pytest.mark.parametrize("seed", [0, 9])
def test_the_same_seed_gives_the_same_samples_however_they_are_read(seed):
    settings = MotorSettings(fault="ball", seed=seed)
    motor = Motor(settings)
    pieces = np.concatenate([motor.read(count) for count in (1, 1199, 1200, 1201, 17, 0, 6382)])
    assert np.array_equal(pieces, Motor(settings).read(10000))
    assert not np.array_equal(pieces, Motor(replace(settings, seed=seed + 1)).read(10000))


def test_nothing_changes_before_the_fault_begins():
    healthy = Motor(QUIET).read(36000)
    broken = Motor(replace(QUIET, fault="outer_race", fault_at_s=2.0)).read(36000)
    assert np.array_equal(healthy[:24000], broken[:24000])
    assert np.abs(broken[24000:] - healthy[24000:]).max() > 0.1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_heard_at_its_frequency_and_a_healthy_motor_is_not(fault):
    hz = QUIET.bearing.strikes_per_turn(fault) * QUIET.speed_rpm / 60
    broken, healthy = Motor(replace(QUIET, fault=fault)).read(65536), Motor(QUIET).read(65536)
    assert peak(broken, hz) > 5 * peak(healthy, hz)


def test_an_inner_race_fault_is_modulated_by_the_shaft():
    shaft_hz = QUIET.speed_rpm / 60
    inner_hz = QUIET.bearing.strikes_per_turn("inner_race") * shaft_hz
    inner = Motor(replace(QUIET, fault="inner_race", severity=2.0)).read(65536)
    for side_hz in (inner_hz - shaft_hz, inner_hz + shaft_hz):
        assert peak(inner, side_hz) > 3 * peak(inner, side_hz + 0.4 * shaft_hz)


def test_strikes_per_turn_can_be_given():
    motor = Motor(replace(QUIET, fault="outer_race", strikes_per_turn=6.2)).read(65536)
    frequencies, sizes = spectrum(motor)
    inside = (frequencies > 50) & (frequencies < 300)
    assert frequencies[inside][sizes[inside].argmax()] == pytest.approx(6.2 * QUIET.speed_rpm / 60, rel=0.01)


def test_gain_scales_all_samples():
    assert np.allclose(Motor(replace(QUIET, gain=0.25)).read(2400), 0.25 * Motor(QUIET).read(2400), rtol=1e-5)


def test_the_speed_drifts_but_stays_near_its_mean():
    motor = Motor(replace(MotorSettings(speed_drift=0.02, shaft_g=5.0, rolling_g=0.0, noise_g=0.0, seed=4)))
    turns = []
    for _ in range(60):
        motor.read(RATE_HZ)
        turns.append(motor._turns)
    hz = np.diff(turns)
    assert np.abs(hz / 29.5 - 1).max() < 0.07
    assert hz.std() > 0.1


def test_the_clock_counts_what_was_read():
    motor = Motor(QUIET)
    motor.read(600)
    assert motor.time_s == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fault": "gearbox"}, "fault: expected one of outer_race, inner_race, ball, got 'gearbox'"),
        ({"speed_rpm": 0.0}, "speed_rpm: expected a number above 0"),
        ({"resonance_hz": 6000.0}, "resonance_hz: expected less than half the rate 12000, got 6000"),
        ({"damping": 1.0}, "damping: expected a number between 0 and 1"),
    ],
)
def test_a_motor_that_cannot_be_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        Motor(replace(MotorSettings(), **changes))
