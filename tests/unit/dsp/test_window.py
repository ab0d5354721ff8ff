from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.dsp.window import WindowStep
from edge_sdk.errors import ConfigError
from tests.unit.dsp.streams import T0, build, sample_spec, samples, window_spec


def run(step, frames):
    return [out for frame in frames for out in step.push(frame)]


def test_windows_overlap_by_size_minus_hop():
    step = build(WindowStep, sample_spec(), size=4, hop=2)
    out = run(step, [samples(range(9))])
    assert [frame.data[:, 0].tolist() for frame in out] == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    assert [frame.seq for frame in out] == [0, 1, 2]


def test_hop_is_the_size_when_absent():
    step = build(WindowStep, sample_spec(), size=3)
    assert [f.data[0, 0] for f in run(step, [samples(range(9))])] == [0, 3, 6]


def test_a_hop_above_the_size_skips_samples():
    step = build(WindowStep, sample_spec(), size=2, hop=5)
    out = run(step, [samples(range(i, i + 3), time_s=100 + i / 1000) for i in range(0, 15, 3)])
    assert [frame.data[0, 0] for frame in out] == [0, 5, 10]
    assert [frame.time_s for frame in out] == pytest.approx([100, 100.005, 100.010])


def test_the_spec_says_size_and_channels():
    step = build(WindowStep, sample_spec(channels=3), size=8)
    assert (step.output.kind, step.output.shape, step.output.rate_hz) == ("window", (8, 3), 1000.0)
    assert step.push(samples(np.zeros((8, 3))))[0].data.shape == (8, 3)


@given(st.integers(1, 12), st.integers(1, 15), st.lists(st.integers(0, 20), max_size=20))
def test_how_samples_are_split_into_readings_changes_nothing(size, hop, lengths):
    total = sum(lengths)
    whole = run(build(WindowStep, sample_spec(), size=size, hop=hop), [samples(range(total))] if total else [])
    step, out, at = build(WindowStep, sample_spec(), size=size, hop=hop), [], 0
    for length in lengths:
        if length:
            out += step.push(samples(range(at, at + length), time_s=100 + at / 1000))
        at += length
    assert len(out) == max(0, (total - size) // hop + 1)
    for one, other in zip(whole, out, strict=True):
        assert np.array_equal(one.data, other.data)
        assert one.time_s == pytest.approx(other.time_s)


def test_a_window_has_the_time_of_its_first_sample_even_when_readings_disagree_with_the_rate():
    step = build(WindowStep, sample_spec(), size=4, hop=3)
    out = run(step, [samples(range(4), time_s=10.0), samples(range(4), time_s=20.0)])
    # The second window begins with sample 3 of the first reading.
    assert [frame.time_s for frame in out] == pytest.approx([10.0, 10.003])
    (third,) = step.push(samples(range(4), time_s=30.0))
    assert third.time_s == pytest.approx(20.002)
    assert third.utc == T0 + timedelta(milliseconds=2)


def gapped(on_gap):
    step = build(WindowStep, sample_spec(), size=4, hop=2, on_gap=on_gap)
    return run(step, [samples(range(5)), samples(range(100, 107), time_s=200.0, gap=True)])


def test_mark_keeps_all_windows_and_marks_those_that_contain_the_gap():
    out = gapped("mark")
    assert [frame.data[:, 0].tolist() for frame in out] == [
        [0, 1, 2, 3],
        [2, 3, 4, 100],
        [4, 100, 101, 102],
        [101, 102, 103, 104],
        [103, 104, 105, 106],
    ]
    assert [frame.gap for frame in out] == [False, True, True, False, False]


def test_drop_leaves_out_the_windows_that_contain_the_gap():
    out = gapped("drop")
    assert [frame.data[0, 0] for frame in out] == [0, 101, 103]
    assert [frame.seq for frame in out] == [0, 1, 2]


def test_restart_begins_a_marked_window_after_the_gap():
    out = gapped("restart")
    assert [frame.data[0, 0] for frame in out] == [0, 100, 102]
    assert [frame.gap for frame in out] == [False, True, False]
    assert out[1].time_s == 200.0


@pytest.mark.parametrize("on_gap", ["mark", "drop", "restart"])
def test_a_window_that_begins_right_after_the_gap_is_whole_and_marked(on_gap):
    step = build(WindowStep, sample_spec(), size=2, on_gap=on_gap)
    out = run(step, [samples(range(2)), samples([7, 8], gap=True)])
    assert [frame.data[:, 0].tolist() for frame in out] == [[0, 1], [7, 8]]
    assert [frame.gap for frame in out] == [False, True]


def test_an_empty_reading_reports_a_gap_before_the_next_sample():
    step = build(WindowStep, sample_spec(), size=2)
    out = run(step, [samples([1]), samples(np.zeros((0, 1)), gap=True), samples([2])])
    assert [frame.gap for frame in out] == [True]


def test_a_window_owns_its_samples():
    step, reading = build(WindowStep, sample_spec(), size=4, hop=2), samples(range(6))
    first, second = step.push(reading)
    first.data[:] = -1
    assert second.data[0, 0] == 2


def test_windows_of_windows_are_refused():
    with pytest.raises(ConfigError, match=r"p.toml: steps\[0\].input: expected samples, got window \[8x1\]"):
        build(WindowStep, window_spec(8), size=4)
