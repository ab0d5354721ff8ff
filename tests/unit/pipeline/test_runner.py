from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.errors import SandboxError, TransferError
from edge_sdk.pipeline import Observer, Runner, Summary, build, runner
from edge_sdk.reading import Reading, Result, StreamSpec
from tests.unit.pipeline.fakes import LABELS, MODEL, THRESHOLD, WINDOW, Recorder, loader, loud_model, write_pipeline


def run(path: Path, model: Any = None, observer: Observer | None = None, **limits: Any) -> tuple[Recorder, Summary]:
    recorder = Recorder()
    with build(path, load=loader(model or loud_model())) as pipeline:
        summary = Runner(pipeline, [recorder, *([observer] if observer else [])]).run(**limits)
    return recorder, summary


def test_a_recording_goes_through_all_steps_to_the_last_window(tmp_path: Path) -> None:
    samples = np.concatenate([np.full(40, 0.1), np.full(40, 0.9)])
    recorder, summary = run(write_pipeline(tmp_path, WINDOW + MODEL + LABELS + THRESHOLD, samples))
    assert summary.reason == "sources ended"
    assert [result.seq for result in recorder.results] == list(range(10))
    assert [result.label for result in recorder.results] == ["quiet"] * 5 + ["loud"] * 5
    assert [result.alarm for result in recorder.results] == [False] * 5 + [True] * 5
    assert {result.step for result in recorder.results} == {"alarm"}
    times = [result.time_s for result in recorder.results]
    assert np.diff(times) == pytest.approx(0.008)
    assert summary.figures.results == 10
    assert summary.figures.alarms == 5


def test_a_result_says_who_made_it_and_how_long_each_stage_took(tmp_path: Path) -> None:
    recorder, summary = run(write_pipeline(tmp_path, WINDOW + MODEL + LABELS + THRESHOLD))
    result = recorder.results[0]
    assert (result.device, result.pipeline, result.source) == ("gw", "test", "a")
    assert (result.engine, result.model_sha256) == ("fake (none)", "ab" * 32)
    assert list(result.latency_s) == ["window", "model", "threshold", "total"]
    assert all(value >= 0 for value in result.latency_s.values())
    assert result.latency_s["total"] >= result.latency_s["model"]
    assert set(summary.figures.stages) == {"window", "model", "threshold", "total"}


def test_observers_hear_the_start_results_ticks_and_the_end(tmp_path: Path) -> None:
    recorder, summary = run(write_pipeline(tmp_path, WINDOW))
    assert recorder.pipeline is not None
    assert len(recorder.results) == 10
    assert recorder.ticks
    assert recorder.summary is summary


def test_it_stops_after_so_many_results_exactly(tmp_path: Path) -> None:
    recorder, summary = run(write_pipeline(tmp_path, "loop = true\n" + WINDOW), max_results=7)
    assert len(recorder.results) == 7
    assert summary.reason == "results"


def test_it_stops_after_a_time(tmp_path: Path) -> None:
    path = write_pipeline(tmp_path, WINDOW)
    path.write_text(path.read_text().replace("speed = 0", "speed = 1\nloop = true"))
    _, summary = run(path, duration_s=0.3)
    assert summary.reason == "duration"
    assert 0.3 <= summary.figures.elapsed_s < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly_and_handlers_are_put_back(tmp_path: Path, number: signal.Signals) -> None:
    class Signaller(Observer):
        def result(self, result: Result) -> None:
            if result.seq == 3:
                os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    path = write_pipeline(tmp_path, "loop = true\n" + WINDOW)
    recorder, summary = run(path, None, Signaller(), on_signals=True)
    assert summary.reason == number.name
    assert len(recorder.results) >= 4
    assert signal.getsignal(number) is before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("source ")]


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    class Impatient(Observer):
        def result(self, result: Result) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(write_pipeline(tmp_path, WINDOW), None, Impatient(), on_signals=True)


def test_branches_share_a_source_and_only_ends_are_results(tmp_path: Path) -> None:
    text = WINDOW + WINDOW.replace('"win"', '"wide"').replace("8", "16")
    recorder, _ = run(write_pipeline(tmp_path, text))
    assert sorted((result.step, result.seq) for result in recorder.results) == [
        *[("wide", seq) for seq in range(5)],
        *[("win", seq) for seq in range(10)],
    ]


def test_a_fault_that_stops_closes_everything_and_names_the_step(tmp_path: Path) -> None:
    model = loud_model()

    def fail(x: Any) -> Any:
        raise SandboxError("unreachable executed")

    model.compute = fail
    path = write_pipeline(tmp_path, WINDOW + MODEL + 'on_fault = "stop"\n')
    with pytest.raises(SandboxError) as caught:
        run(path, model)
    assert caught.value.message == "step score: unreachable executed"
    assert model.closed
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("source ")]


def test_faults_are_counted(tmp_path: Path) -> None:
    model, works = loud_model(), loud_model().compute
    calls: list[int] = []

    def sometimes(x: Any) -> Any:
        calls.append(1)
        if len(calls) % 2 == 0:
            raise SandboxError("trap")
        return works(x)

    model.compute = sometimes
    recorder, summary = run(write_pipeline(tmp_path, WINDOW + MODEL), model)
    assert summary.figures.faults == 5
    assert [result.stale for result in recorder.results] == [False, True] * 5


class FakeSource:
    """A live source that says what it is told, then fails or is silent."""

    live = True
    output = StreamSpec("samples", (0, 1), 1000.0)
    ended = False

    def __init__(self, fault: BaseException | None) -> None:
        self.fault = fault
        self.closed = False

    def open(self) -> None: ...

    def read(self, timeout_s: float) -> Reading | None:
        if self.fault is not None:
            raise self.fault
        threading.Event().wait(0.01)
        return None

    def close(self) -> None:
        self.closed = True

    def counts(self) -> Mapping[str, int]:
        return {"dropped_bytes": 12, "bad_crc": 0}


def with_source(path: Path, source: FakeSource) -> Any:
    pipeline = build(path, load=loader(loud_model()))
    assert isinstance(pipeline.sources, dict)
    pipeline.sources["a"] = source
    return pipeline


def test_a_source_that_fails_ends_the_run_with_its_error(tmp_path: Path) -> None:
    source = FakeSource(TransferError("source a: gone"))
    with with_source(write_pipeline(tmp_path, WINDOW), source) as pipeline, pytest.raises(TransferError, match="gone"):
        Runner(pipeline).run(duration_s=5)
    assert source.closed


def test_a_silent_source_is_reported_once_with_what_it_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner, "SILENCE_S", 0.1)
    monkeypatch.setattr(runner, "TICK_S", 0.02)
    with caplog.at_level(logging.WARNING), with_source(write_pipeline(tmp_path, WINDOW), FakeSource(None)) as pipeline:
        Runner(pipeline).run(duration_s=0.5)
    assert [record.getMessage() for record in caplog.records] == [
        "source a: no samples for 0.1 s (12 dropped bytes)",
    ]


def test_sinks_get_the_results_of_their_step_and_are_closed(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    sink = '[[sinks]]\ntype = "stdout"\ninput = "win"\n'
    _, summary = run(write_pipeline(tmp_path, WINDOW + MODEL + sink))
    lines = capfdbinary.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all(b'"step":"win"' in line for line in lines)
    assert summary.figures.sinks == {"sinks[0]": {"delivered": 10, "waiting": 0}}
    assert summary.figures.results == 20, "the model is an end of its own"
