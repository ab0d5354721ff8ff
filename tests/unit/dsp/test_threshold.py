from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.dsp.threshold import Alarm, ThresholdStep
from edge_sdk.errors import ConfigError
from edge_sdk.reading import StreamSpec
from tests.unit.dsp.streams import build, samples, window_spec

LABELS = ("healthy", "inner", "outer")


def raised(scores, *, on=0.8, off=0.5, k=1, n=1, hold_s=0.0, step_s=1.0):
    alarm = Alarm(on, off, k, n, hold_s)
    return "".join(".X"[alarm.push(score, index * step_s)] for index, score in enumerate(scores))


def test_one_of_one_follows_the_level():
    assert raised([0.1, 0.8, 0.79, 0.4]) == ".XX."


def test_hysteresis_keeps_the_alarm_between_the_levels():
    assert raised([0.7, 0.9, 0.6, 0.6, 0.4, 0.7]) == ".XXX.."


def test_k_of_n_needs_k_votes_among_the_last_n():
    assert raised([0.9, 0.9, 0.1, 0.1, 0.9, 0.1, 0.9, 0.9], k=3, n=4) == ".......X"


def test_a_single_outlier_never_alarms():
    assert raised([0.1] * 5 + [1.0] + [0.1] * 5, k=2, n=5) == "." * 11


def test_the_alarm_falls_when_fewer_than_k_keep_it():
    assert raised([0.9, 0.9, 0.9, 0.1, 0.1, 0.1], k=2, n=3) == ".XXX.."


def test_the_alarm_is_held_after_its_last_reason():
    assert raised([0.9, 0.1, 0.1, 0.1, 0.1], hold_s=3.0) == "XXX.."


def test_nan_never_alarms():
    assert raised([float("nan")] * 3) == "..."


@given(st.lists(st.floats(0, 1)), st.integers(1, 5), st.integers(0, 5))
def test_an_alarm_never_rises_without_k_scores_at_the_level(scores, k, more):
    states = raised(scores, k=k, n=k + more)
    for index, state in enumerate(states):
        if state == "X" and (index == 0 or states[index - 1] == "."):
            window = scores[max(0, index - k - more + 1) : index + 1]
            assert sum(score >= 0.8 for score in window) >= k


def scores_spec(labels=LABELS):
    return StreamSpec("scores", (1, len(LABELS)), labels=labels)


def frame(values, **changes):
    made = replace(samples(values), label="outer", score=max(values))
    return replace(made, data=made.data.reshape(1, -1), **changes)


def test_labels_choose_the_scores_that_are_summed():
    step = build(ThresholdStep, scores_spec(), on=0.7, labels=["inner", "outer"])
    (out,) = step.push(frame([0.2, 0.4, 0.4]))
    assert out.score == pytest.approx(0.8)
    assert out.alarm is True
    assert out.label == "outer"


def test_without_labels_the_frames_score_counts():
    step = build(ThresholdStep, scores_spec(), on=0.7)
    assert step.push(frame([0.1, 0.9, 0.0], score=0.3))[0].alarm is False


def test_features_without_a_score_count_by_their_largest():
    step = build(ThresholdStep, StreamSpec("features", (1, 3)), on=0.7)
    assert step.push(frame([0.1, 0.9, 0.0], score=None))[0].alarm is True


def test_a_stale_frame_is_no_evidence():
    step = build(ThresholdStep, scores_spec(), on=0.7, k=2, n=2)
    loud = frame([0.0, 0.0, 1.0])
    states = [step.push(replace(loud, stale=stale))[0].alarm for stale in (False, True, True, False)]
    assert states == [False, False, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on": 0.5, "off": 0.6}, r"off: expected at most on = 0.5, got 0.6"),
        ({"on": 0.5, "k": 3, "n": 2}, r"n: expected at least k = 3, got 2"),
        ({"on": 0.5, "labels": ["iner"]}, r"labels\[0\]: the model has no label 'iner'; did you mean 'inner'\?"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(ThresholdStep, scores_spec(), **options)


def test_labels_of_a_model_without_labels_are_refused():
    with pytest.raises(ConfigError, match="the model names no labels"):
        build(ThresholdStep, scores_spec(()), on=0.5, labels=["outer"])


def test_a_window_is_no_score():
    with pytest.raises(ConfigError, match="expected scores or features, got window"):
        build(ThresholdStep, window_spec(16), on=0.5)
