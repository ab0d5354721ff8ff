from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from edge_sdk.errors import TransferError
from edge_sdk.health import HealthReport, SinkHealth, SourceHealth, read_health
from edge_sdk.pipeline import Observer, Pipeline, Runner, Snapshot, build, runner
from edge_sdk.pipeline.stats import Heard, Latency
from edge_sdk.pipeline.watched import (
    HealthFile,
    ServiceManager,
    health_report,
    notify,
    status_line,
    watchdog_s,
    watchers,
)
from tests.unit.pipeline.fakes import WINDOW, write_pipeline
from tests.unit.pipeline.test_runner import FakeSource, with_source

FIGURES = Snapshot(
    elapsed_s=9.0,
    results=120,
    results_per_s=9.6,
    alarms=3,
    gaps=1,
    dropped=2,
    queue=0,
    faults=4,
    restarts=0,
    stages={"model": Latency(0.0002, 0.0011), "total": Latency(0.002, 0.0031)},
    heard={"a": Heard(240, 77.5), "b": Heard()},
    sources={"a": {"bad_crc": 7}, "b": {}},
    sinks={"sinks[0]": {"sent": 9, "delivered": 8, "waiting": 1}},
    sink_states={"sinks[0]": "mqtt: not connected: a\nb"},
    last=None,
)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with build(write_pipeline(tmp_path, WINDOW)) as found:
        yield found


class Manager:
    """What systemd is to a service: a datagram socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(0)

    def heard(self) -> list[str]:
        messages: list[str] = []
        with suppress(BlockingIOError):
            while True:
                messages.append(self._socket.recv(4096).decode())
        return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.close()


def test_the_report_holds_what_a_judge_asks_for() -> None:
    assert health_report(FIGURES, 50.0, 77.6) == HealthReport(
        schema=1,
        pid=os.getpid(),
        started_s=50.0,
        at_s=77.6,
        results=120,
        p99_ms=pytest.approx(3.1),
        faults=4,
        sources={"a": SourceHealth(240, 77.5), "b": SourceHealth(0, 0.0)},
        sinks={"sinks[0]": SinkHealth(8, 1)},
    )
    assert health_report(replace(FIGURES, stages={}), 0.0, 0.0).p99_ms == 0
    assert health_report(replace(FIGURES, restarts=2), 0.0, 0.0).restarts == 2


def test_a_full_outbox_still_shows_that_results_come() -> None:
    full = replace(FIGURES, sinks={"sinks[0]": {"delivered": 8, "waiting": 500, "dropped": 3}})
    assert health_report(full, 0.0, 0.0).sinks == {"sinks[0]": SinkHealth(8, 503)}


def test_the_file_is_written_at_the_first_tick_and_then_once_a_second(tmp_path: Path, pipeline: Pipeline) -> None:
    clock, path = Clock(), tmp_path / "health.json"
    watcher = HealthFile(path, clock)
    watcher.started(pipeline)
    times = []
    for _ in range(13):
        watcher.tick(FIGURES)
        report = read_health(path)
        assert report is not None
        times.append(report.at_s)
        clock.now_s += 0.25
    assert times == [100.0] * 4 + [101.0] * 4 + [102.0] * 4 + [103.0]
    assert report.started_s == 100.0
    assert [one.name for one in tmp_path.iterdir() if "health" in one.name] == ["health.json"]


def test_the_first_result_is_not_waited_for(tmp_path: Path, pipeline: Pipeline) -> None:
    clock, path = Clock(), tmp_path / "health.json"
    file = HealthFile(path, clock)
    file.started(pipeline)
    seen = []
    for results in (0, 0, 1, 2, 3):
        file.tick(replace(FIGURES, results=results))
        found = read_health(path)
        seen.append((found.results, found.at_s) if found else None)
        clock.now_s += 0.25
    assert seen == [(0, 100.0), (0, 100.0), (1, 100.5), (1, 100.5), (1, 100.5)]


def test_a_file_that_cannot_be_written_is_said_once_and_ends_nothing(
    tmp_path: Path, pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    watcher = HealthFile(tmp_path / "absent/health.json", clock)
    watcher.started(pipeline)
    with caplog.at_level(logging.WARNING):
        for _ in range(9):
            watcher.tick(FIGURES)
            clock.now_s += 1
    (record,) = caplog.records
    assert record.getMessage().endswith("health.json: health cannot be written: No such file or directory")
    (tmp_path / "absent").mkdir()
    watcher.tick(FIGURES)
    assert read_health(tmp_path / "absent/health.json") is not None


def test_the_manager_hears_ready_life_signs_at_half_the_time_and_the_end(manager: Manager, pipeline: Pipeline) -> None:
    clock = Clock()
    watcher = ServiceManager(manager.address, 30.0, clock)
    assert manager.heard() == []
    watcher.started(pipeline)
    assert manager.heard() == ["READY=1"]
    seen = []
    for _ in range(200):
        watcher.tick(FIGURES)
        seen += [(clock.now_s, message) for message in manager.heard()]
        clock.now_s += 0.25
    assert [when for when, _ in seen] == [100.0, 115.0, 130.0, 145.0]
    status = "120 results (9.6/s), 1 gaps, 4 model faults; mqtt: not connected: a b"
    assert {message for _, message in seen} == {f"WATCHDOG=1\nSTATUS={status}"}
    watcher.stopping()
    assert manager.heard()[0].splitlines()[0] == "STOPPING=1"


def test_the_status_counts_restarts_once_there_are_some() -> None:
    assert "4 model faults, 2 restarts; " in status_line(replace(FIGURES, restarts=2))
    assert "restart" not in status_line(FIGURES)


def test_without_a_watchdog_there_is_only_the_status(manager: Manager, pipeline: Pipeline) -> None:
    watcher = ServiceManager(manager.address, 0.0, Clock())
    watcher.started(pipeline)
    watcher.tick(FIGURES)
    assert not any("WATCHDOG" in message for message in manager.heard())


def test_a_socket_of_the_abstract_namespace_is_reached() -> None:
    manager = Manager(f"@edge-sdk-test-{os.getpid()}")
    notify(manager.address, "READY=1", "STATUS=\udcff")
    assert manager.heard() == ["READY=1\nSTATUS=?"]
    manager.close()


@pytest.mark.parametrize(
    "address", ["/absent/notify", "@absent", "vsock:2:1", "relative", "", "/" + "x" * 300, "@", "/tmp"]
)
def test_a_manager_that_is_not_there_ends_nothing(address: str) -> None:
    notify(address, "READY=1")


def test_the_environment_says_who_watches(tmp_path: Path) -> None:
    assert watchers({}) == []
    assert watchers({"EDGE_SDK_HEALTH": "", "NOTIFY_SOCKET": ""}) == []
    kinds = [type(one) for one in watchers({"EDGE_SDK_HEALTH": str(tmp_path / "h"), "NOTIFY_SOCKET": "@x"})]
    assert kinds == [HealthFile, ServiceManager]


@pytest.mark.parametrize(
    ("variables", "expected_s"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
        ({"WATCHDOG_USEC": "-5"}, 0),
    ],
)
def test_the_watchdog_is_the_one_meant_for_this_process(variables: dict[str, str], expected_s: float) -> None:
    assert watchdog_s(variables) == expected_s


class Ticks(Observer):
    """Ends the run after so many ticks; remembers what it was told, in order."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.told: list[str] = []
        self.runner: Runner | None = None
        self.thread = threading.current_thread()

    def started(self, pipeline: Pipeline) -> None:
        self.told.append("started")

    def tick(self, snapshot: Snapshot) -> None:
        assert threading.current_thread() is self.thread, "a thread of its own would go on when the worker hangs"
        self.told.append("tick")
        if self.told.count("tick") == self.most and self.runner is not None:
            self.runner.stop()

    def stopping(self) -> None:
        self.told.append("stopping")


def test_a_silent_source_does_not_silence_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "TICK_S", 0.01)
    ticks, path = Ticks(5), tmp_path / "health.json"
    with with_source(write_pipeline(tmp_path, WINDOW), FakeSource(None)) as pipeline:
        ticks.runner = Runner(pipeline, [HealthFile(path), ticks])
        ticks.runner.run(duration_s=30)
    assert ticks.told == ["started", *["tick"] * 5, "stopping"]
    report = read_health(path)
    assert report is not None
    assert report.sources == {"a": SourceHealth(0, 0.0)}


def test_what_came_is_counted_for_each_source(tmp_path: Path, pipeline: Pipeline) -> None:
    figures = Runner(pipeline).run().figures
    assert figures.heard["a"].readings > 0
    assert figures.heard["a"].at_s > 0


def test_the_end_is_told_before_sinks_are_closed_also_after_a_fault(tmp_path: Path) -> None:
    source, ticks = FakeSource(TransferError("gone")), Ticks(0)
    closed_then: list[bool] = []
    ticks.stopping = lambda: closed_then.append(source.closed)  # type: ignore[method-assign]
    with with_source(write_pipeline(tmp_path, WINDOW), source) as pipeline, pytest.raises(TransferError):
        Runner(pipeline, [ticks]).run(duration_s=5)
    assert closed_then == [False]
    assert source.closed
