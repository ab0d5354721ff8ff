from __future__ import annotations

import math
import os
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from edge_sdk.health import MAX_BYTES, HealthReport, SinkHealth, SourceHealth, read_health, write_health

REPORT = HealthReport(
    schema=1,
    pid=812,
    started_s=5000.0,
    at_s=5120.4,
    results=40,
    p99_ms=3.1,
    faults=0,
    sources={"accel": SourceHealth(80, 5120.3)},
    sinks={"sinks[0]": SinkHealth(39, 1)},
)
GOOD = msgspec.json.encode(REPORT)


def test_what_is_written_is_read_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    write_health(path, REPORT)
    write_health(path, replace(REPORT, results=41))
    assert read_health(path) == replace(REPORT, results=41)
    assert [one.name for one in tmp_path.iterdir()] == ["health.json"]


def test_a_report_without_restarts_is_read_as_none(tmp_path: Path) -> None:
    (tmp_path / "health.json").write_bytes(GOOD.replace(b',"restarts":0', b""))
    assert read_health(tmp_path / "health.json") == REPORT
    write_health(tmp_path / "health.json", replace(REPORT, restarts=3))
    assert read_health(tmp_path / "health.json") == replace(REPORT, restarts=3)


def test_a_report_that_cannot_take_its_place_is_removed(tmp_path: Path) -> None:
    (tmp_path / "health.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_health(tmp_path / "health.json", REPORT)
    assert [one.name for one in tmp_path.iterdir()] == ["health.json"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        GOOD[:-1],
        GOOD + b" x",
        GOOD.replace(b'"schema":1', b'"schema":2'),
        GOOD.replace(b'"results":40', b'"results":-1'),
        GOOD.replace(b'"results":40', b'"results":1e3'),
        GOOD.replace(b'"pid":812', b'"pid":99999999999999999999'),
        GOOD.replace(b'"faults":0', b'"faults":0,"mood":"good"'),
        GOOD.replace(b"accel", b"\xff\xfe"),
        GOOD + b" " * MAX_BYTES,
        b"[" * MAX_BYTES,
        b"\0" * 100,
    ],
)
def test_what_makes_no_sense_is_no_report(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "health.json").write_bytes(data)
    assert read_health(tmp_path / "health.json") is None


def test_no_number_is_infinite(tmp_path: Path) -> None:
    for text in (b"1e999", b"-1e999", b"NaN", b"Infinity"):
        (tmp_path / "health.json").write_bytes(GOOD.replace(b"5120.4", text))
        report = read_health(tmp_path / "health.json")
        assert report is None or math.isfinite(report.at_s)


def test_links_pipes_and_folders_are_not_followed_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    assert read_health(path) is None
    write_health(tmp_path / "other.json", REPORT)
    path.symlink_to(tmp_path / "other.json")
    assert read_health(path) is None
    path.unlink()
    os.mkfifo(path)
    assert read_health(path) is None
    path.unlink()
    path.mkdir()
    assert read_health(path) is None
