from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.dsp.spectrum import SpectrumOptions, SpectrumStep, band_edges, twiddle_table, window_table
from edge_sdk.errors import ConfigError
from tests.unit.dsp.numpy_kernels import NumpyKernels
from tests.unit.dsp.streams import WHERE, build, samples, window_spec

RATE_HZ = 12000.0


def edges(size=1024, rate_hz=RATE_HZ, **options):
    return band_edges(msgspec.convert(options, SpectrumOptions), size, rate_hz, WHERE).tolist()


def features(data, **options):
    frame = samples(data)
    step = build(SpectrumStep, window_spec(len(frame.data), RATE_HZ, frame.data.shape[1]), NumpyKernels(), **options)
    return step.push(frame)[0].data


def tone(hz, size=1024, amplitude=1.0):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(size) / RATE_HZ)


def test_white_noise_has_its_variance_in_every_band_whatever_the_window():
    noise = 3.0 * np.random.default_rng(1).standard_normal(32768)
    for shape in ("hann", "hamming", "blackman", "none"):
        power = features(noise, bands=8, window=shape, log=False)
        assert np.allclose(power, 9.0, rtol=0.1)


def test_a_tone_lies_in_the_band_that_contains_its_frequency():
    for hz in (300, 1000, 5000):
        got = features(tone(hz), bands=[0, 500, 800, 1500, 4000, 6000])
        assert got.argmax() == np.searchsorted([0, 500, 800, 1500, 4000, 6000], hz) - 1


def test_rms_takes_gain_and_offset_out():
    noise = np.random.default_rng(2).standard_normal(1024)
    plain = features(noise, bands=32, normalise="rms")
    assert np.allclose(plain, features(25 * noise + 7, bands=32, normalise="rms"), atol=1e-4)
    assert not np.allclose(features(noise, bands=32), features(25 * noise, bands=32), atol=0.1)


def test_silence_gives_the_floor():
    assert np.allclose(features(np.zeros(64), bands=4, floor=1e-6, normalise="rms"), -6.0)


def test_channels_are_rows():
    data = np.stack([tone(300), tone(5000)], axis=1)
    got = features(data, bands=16)
    assert got.shape == (2, 16)
    assert got[0].argmax() == 0
    assert got[1].argmax() == 13


def test_the_spec_says_channels_and_bands():
    step = build(SpectrumStep, window_spec(256, channels=3), bands=20)
    assert (step.output.kind, step.output.shape) == ("features", (3, 20))


def test_linear_bands_cover_all_bins_evenly():
    got = edges(bands=128)
    assert (got[0], got[-1]) == (0, 513)
    assert set(np.diff(got)) == {4, 5}


def test_logarithmic_bands_grow_and_none_is_empty():
    got = edges(size=4096, bands=64, spacing="log", min_hz=15, max_hz=1000)
    widths = np.diff(got)
    assert (got[0], got[-1]) == (6, 342)
    assert widths.min() == 1
    assert widths[-1] > 15


@given(
    st.sampled_from([16, 64, 1024, 32768]),
    st.integers(1, 300),
    st.sampled_from(["linear", "log"]),
    st.floats(0, 5000),
    st.floats(1, 6000),
)
def test_edges_always_ascend_within_the_spectrum_or_are_refused(size, bands, spacing, min_hz, max_hz):
    try:
        got = edges(size, bands=bands, spacing=spacing, min_hz=min_hz, max_hz=max_hz)
    except ConfigError:
        return
    assert len(got) == bands + 1
    assert all(np.diff(got) >= 1)
    assert got[0] >= 0
    assert got[-1] <= size // 2 + 1


def test_edges_in_hz_begin_at_the_first_bin_at_or_above():
    # One bin every 11.71875 Hz.
    assert edges(bands=[0, 11.71875, 100, 6000]) == [0, 1, 9, 513]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bands": [100, 50]}, "bands: expected ascending edges between 0 and 6000 Hz"),
        ({"bands": [100, 7000]}, "bands: expected ascending edges between 0 and 6000 Hz"),
        (
            {"bands": [100, 101]},
            "bands: no frequency lies between 100 and 101 Hz; a window of 1024 samples at 12000 Hz",
        ),
        ({"bands": 514}, "bands: expected at most 513 bands"),
        (
            {"bands": 4, "max_hz": 7000},
            "max_hz: expected more than min_hz = 0 and at most half the rate, 6000, got 7000",
        ),
        ({"bands": 4, "min_hz": 900, "max_hz": 800}, "max_hz: expected more than min_hz = 900"),
    ],
)
def test_bands_that_cannot_be_are_refused_with_their_key(options, message):
    with pytest.raises(ConfigError, match=r"p.toml: steps\[0\]\." + message):
        edges(**options)


@pytest.mark.parametrize("size", [8, 1000, 65536])
def test_sizes_that_the_kernel_does_not_take_are_refused(size):
    with pytest.raises(
        ConfigError, match=f"expected windows of a power of two between 16 and 32768 samples, got {size}"
    ):
        build(SpectrumStep, window_spec(size), bands=4)


def test_a_stream_of_unknown_rate_is_refused():
    with pytest.raises(ConfigError, match="known rate"):
        build(SpectrumStep, window_spec(64, rate_hz=0.0), bands=4)


def test_the_tables_are_those_of_the_kernels_definition():
    assert window_table("hann", 4).tolist() == [0.0, 0.5, 1.0, 0.5]
    assert np.allclose(twiddle_table(8)[1], [np.sqrt(0.5), -np.sqrt(0.5)])
    kernels = NumpyKernels()
    build(SpectrumStep, window_spec(64), kernels, bands=4, window="none").push(samples(np.ones(64)))
    assert kernels.fields["power_scale"] == pytest.approx(1 / 64)


@pytest.mark.parametrize("provider", ["host", "sandbox"])
@pytest.mark.parametrize("log", [False, True])
def test_the_kernel_agrees_with_numpy(provider, log):
    from edge_sdk.runtime.kernel_call import KernelCaller

    data = np.random.default_rng(5).standard_normal((2048, 2)) + 0.5
    with KernelCaller(provider=provider) as kernels:
        step = build(SpectrumStep, window_spec(2048, channels=2), kernels, bands=40, spacing="log", min_hz=20, log=log)
        (got,) = step.push(samples(data))
    expected = features(data, bands=40, spacing="log", min_hz=20, log=log)
    assert np.allclose(got.data, expected, atol=2e-4 if log else 0, rtol=0 if log else 2e-4)
