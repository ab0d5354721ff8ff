from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.errors import ConfigError, EdgeError
from edge_sdk.golden import read_case, run_case
from tests.support import REPOSITORY
from tests.unit.golden.projects import PIPELINE, write_project

MODEL = '[[steps]]\nid = "score"\nuse = "model"\ninput = "win"\nmodel = "m.tflite"\ndeadline_ms = 50\n'


def test_the_recording_takes_the_place_of_the_sensor_with_its_rate_and_scale(tmp_path: Path) -> None:
    outcome = run_case(read_case(write_project(tmp_path, "results = 10")))
    assert [row.seq for row in outcome.rows] == list(range(10))
    assert {row.step for row in outcome.rows} == {"win"}
    values = [value for row in outcome.rows for value in row.values]
    assert values == (np.arange(100) * 0.5).tolist()
    assert outcome.first_alarm_s is None


def test_two_runs_give_the_same(tmp_path: Path) -> None:
    case = read_case(write_project(tmp_path, "results = 10"))
    assert run_case(case) == run_case(case)


def test_a_step_that_only_a_sink_hears_is_a_result_too(tmp_path: Path) -> None:
    more = '[[steps]]\nid = "slow"\nuse = "window"\ninput = "a"\nsize = 50\n'
    outcome = run_case(read_case(write_project(tmp_path, "results = 1", pipeline=PIPELINE + more)))
    assert sorted({row.step for row in outcome.rows}) == ["slow", "win"]


def test_max_results_ends_it(tmp_path: Path) -> None:
    path = write_project(tmp_path, "results = 3")
    path.write_text("max_results = 3\n" + path.read_text())
    assert len(run_case(read_case(path)).rows) == 3


def test_a_replay_needs_no_stand_in_and_plays_once(tmp_path: Path) -> None:
    pipeline = 'name = "t"\n[sources.a]\ntype = "replay"\nfile = "x.npz"\nrate_hz = 100\nloop = true\n'
    pipeline += '[[steps]]\nid = "win"\nuse = "window"\ninput = "a"\nsize = 10\n'
    path = write_project(tmp_path, "results = 10", pipeline=pipeline, replay="")
    assert len(run_case(read_case(path)).rows) == 10


def test_a_deadline_does_not_decide_a_golden_test(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "examples/demo/motor.tflite", tmp_path / "m.tflite")
    pipeline = (
        PIPELINE.replace("size = 10", "size = 64\nhop = 10") + MODEL.replace("50", "0.0001") + 'on_fault = "stop"\n'
    )
    outcome = run_case(read_case(write_project(tmp_path, "results = 4", pipeline=pipeline)))
    assert len([row for row in outcome.rows if row.step == "score"]) == 4
    assert not any(row.stale for row in outcome.rows)


@pytest.mark.parametrize(
    ("replay", "more", "words"),
    [
        ('b = "x.npz"', "", "replay.b: pipeline.toml has no source 'b'"),
        ("", "", "replay.a: this key is missing; the source of type 'serial' needs a recording"),
        ('a = "y.npz"', "", "case.toml: replay.a.file: "),
        ('a = { file = "x.npz", column = [0] }', "", "case.toml: replay.a.column: unknown key"),
        ('a = "x.npz"', MODEL.replace("m.tflite", "${env:NOT_SET_MODEL}"), "variable NOT_SET_MODEL is not set"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, replay: str, more: str, words: str) -> None:
    path = write_project(tmp_path, "results = 1", pipeline=PIPELINE + more, replay=replay)
    with pytest.raises(EdgeError) as caught:
        run_case(read_case(path))
    assert words in caught.value.message


def test_a_limit_on_results_of_several_sources_is_refused(tmp_path: Path) -> None:
    pipeline = PIPELINE + '[sources.b]\ntype = "replay"\nfile = "x.npz"\nrate_hz = 1\n'
    path = write_project(tmp_path, "results = 1", pipeline=pipeline)
    path.write_text("max_results = 3\n" + path.read_text())
    with pytest.raises(ConfigError, match="max_results: the order of several sources is not fixed"):
        run_case(read_case(path))
