from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.dsp.envelope import EnvelopeStep, envelope
from edge_sdk.errors import ConfigError
from tests.unit.dsp.streams import build, sample_spec, samples, window_spec

TIME_S = np.arange(4096) / 12000
BIN_HZ = 12000 / 4096


def modulated(depth=0.5, gain=1.0):
    return gain * (1 + depth * np.cos(2 * np.pi * 34 * BIN_HZ * TIME_S)) * np.sin(2 * np.pi * 3000 * TIME_S)


def test_the_envelope_of_a_modulated_tone_is_its_modulation():
    step = build(EnvelopeStep, window_spec(4096), low_hz=1500, high_hz=5900)
    (frame,) = step.push(samples(modulated()))
    assert np.allclose(frame.data[:, 0], 0.5 * np.cos(2 * np.pi * 34 * BIN_HZ * TIME_S), atol=1e-5)
    assert frame.data.dtype == np.float32


def test_a_tone_outside_the_band_is_not_heard():
    hum = 5 * np.sin(2 * np.pi * 17 * BIN_HZ * TIME_S)
    clean = envelope(modulated()[:, None].astype(np.float32), 512, 2013, relative=True)
    noisy = envelope((modulated() + hum)[:, None].astype(np.float32), 512, 2013, relative=True)
    assert np.allclose(clean, noisy, atol=1e-4)


def test_relative_takes_the_sensors_gain_out():
    one, ten = (envelope(modulated(gain=gain)[:, None], 512, 2013, relative=True) for gain in (1.0, 10.0))
    assert np.allclose(one, ten, atol=1e-6)


def test_absolute_keeps_the_units():
    level = envelope(modulated(depth=0.0, gain=3.0)[:, None], 512, 2013, relative=False)
    assert np.allclose(level, 3.0, atol=1e-4)


def test_silence_gives_zeros_not_nan():
    assert np.array_equal(envelope(np.zeros((64, 2), np.float32), 1, 32, relative=True), np.zeros((64, 2)))


def test_channels_do_not_mix():
    both = envelope(np.stack([modulated(0.5), modulated(0.1)], axis=1), 512, 2013, relative=True)
    assert np.allclose(both[:, 1], envelope(modulated(0.1)[:, None], 512, 2013, relative=True)[:, 0])


def test_a_band_above_half_the_rate_is_refused():
    with pytest.raises(ConfigError, match=r"high_hz: expected at most half the rate, 6000, got 7000"):
        build(EnvelopeStep, window_spec(1024), low_hz=100, high_hz=7000)


def test_a_band_without_any_frequency_is_refused():
    with pytest.raises(ConfigError, match="no frequency of a window of 16 samples lies between 100 and 200 Hz"):
        build(EnvelopeStep, window_spec(16), low_hz=100, high_hz=200)


def test_samples_that_are_not_cut_are_refused():
    with pytest.raises(ConfigError, match="expected window, got samples"):
        build(EnvelopeStep, sample_spec(), low_hz=100, high_hz=200)
