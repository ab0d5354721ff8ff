"""What every row of the table of signal-processing steps keeps: `edge_sdk.dsp.base.Step`."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge_sdk.dsp import STEPS
from edge_sdk.errors import ConfigError
from edge_sdk.reading import Frame, StreamSpec
from tests.unit.dsp.numpy_kernels import NumpyKernels
from tests.unit.dsp.streams import T0, WHERE, sample_spec, window_spec

SCORES = StreamSpec("scores", (3,), 5.0, labels=("a", "b", "c"), source_rate_hz=12000.0)
#: kind -> what it gets, and its options. A new row needs a line here.
CASES = {
    "envelope": (window_spec(256, channels=2), {"low_hz": 1000, "high_hz": 5000}),
    "spectrum": (window_spec(256, channels=2), {"bands": 16}),
    "threshold": (SCORES, {"on": 0.5, "k": 2, "n": 3}),
    "window": (sample_spec(channels=2), {"size": 64, "hop": 32}),
}


def build(kind):
    spec, options = CASES[kind]
    step = STEPS.load(kind)
    return step(msgspec.convert(options, step.Options), WHERE, spec, NumpyKernels())


def frames(spec: StreamSpec, count: int):
    rng = np.random.default_rng(1)
    shape = tuple(size or 50 for size in spec.shape)
    if spec.kind == "samples":
        shape = (50, *shape[1:])
    for index in range(count):
        data = rng.standard_normal(shape).astype(np.float32)
        yield Frame(data, index, 10.0 + index, T0, stages={"before": 0.1}, label="a", score=0.4)


def pushed(step, spec, count=8):
    return [out for frame in frames(spec, count) for out in step.push(frame)]


def test_every_row_has_a_case():
    assert set(CASES) == set(STEPS)


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_frames_are_what_the_output_spec_says(kind):
    step, out = build(kind), pushed(build(kind), CASES[kind][0])
    assert out
    assert all(frame.data.shape == step.output.shape for frame in out)
    assert all(frame.data.dtype == np.float32 for frame in out)
    assert step.output.source_rate_hz == CASES[kind][0].source_rate_hz


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_the_same_frames_give_the_same_results(kind):
    one, two = (pushed(build(kind), CASES[kind][0]) for _ in range(2))
    for first, second in zip(one, two, strict=True):
        assert np.array_equal(first.data, second.data)
        assert (first.time_s, first.alarm, first.seq) == (second.time_s, second.alarm, second.seq)


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_what_it_gets_is_not_changed(kind):
    step, spec = build(kind), CASES[kind][0]
    for frame in frames(spec, 3):
        before = frame.data.copy()
        step.push(frame)
        assert np.array_equal(frame.data, before)


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_stages_are_handed_on(kind):
    assert all(frame.stages == {"before": 0.1} for frame in pushed(build(kind), CASES[kind][0]))


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_another_kind_of_input_is_refused_with_its_place(kind):
    spec, options = CASES[kind]
    wrong = replace(spec, kind="window" if spec.kind != "window" else "samples")
    step = STEPS.load(kind)
    with pytest.raises(ConfigError, match=r"^p.toml: steps\[0\].input: expected "):
        step(msgspec.convert(options, step.Options), WHERE, wrong, None)


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_every_option_is_described(kind):
    schema = msgspec.json.schema(STEPS.load(kind).Options)
    (definition,) = schema["$defs"].values()
    assert all(row.get("description") for row in definition["properties"].values()), definition
