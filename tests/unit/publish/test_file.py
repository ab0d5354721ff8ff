from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.config import Where
from edge_sdk.publish import file as file_module
from edge_sdk.publish.file import FileOptions, FileSink
from edge_sdk.reading import Result

RESULT = Result(
    "gw", "p", "s", 0, 1.0, datetime(2026, 1, 1, tzinfo=timezone.utc), np.zeros(1, np.float32), latency_s={"total": 0}
)


def sink_of(folder: Path, **options: object) -> FileSink:
    where = Where(folder / "p.toml", "sinks[0]")
    return FileSink(FileOptions(**{"path": "out/r.ndjson", **options}), where, "p", "gw")


def publish(sink: FileSink, numbers: range) -> None:
    for number in numbers:
        sink.publish(replace(RESULT, seq=number))


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in path.read_text().splitlines()]


def test_results_are_lines_and_a_next_run_goes_on(tmp_path: Path) -> None:
    for part in (range(3), range(3, 5)):
        sink = sink_of(tmp_path, sync=True)
        sink.open()
        publish(sink, part)
        sink.close()
    assert numbers(tmp_path / "out/r.ndjson") == [0, 1, 2, 3, 4]
    assert sink.state == "2 lines"


def test_the_file_is_turned_over_and_the_oldest_goes(tmp_path: Path) -> None:
    sink = sink_of(tmp_path, max_mib=0.001, keep=2)
    publish(sink, range(40))
    sink.close()
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["r.ndjson", "r.ndjson.1", "r.ndjson.2"]
    assert all((tmp_path / "out" / name).stat().st_size <= 1049 for name in names)
    found = [number for name in reversed(names) for number in numbers(tmp_path / "out" / name)]
    assert found == list(range(found[0], 40))


def test_without_older_files_it_begins_again(tmp_path: Path) -> None:
    sink = sink_of(tmp_path, max_mib=0.001, keep=0)
    publish(sink, range(40))
    sink.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["r.ndjson"]
    assert numbers(tmp_path / "out/r.ndjson")[-1] == 39


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/r.ndjson").write_text('{"seq":0}\n{"se')
    sink = sink_of(tmp_path)
    publish(sink, range(1, 2))
    sink.close()
    lines = (tmp_path / "out/r.ndjson").read_text().splitlines()
    assert (lines[0], lines[1], json.loads(lines[2])["seq"]) == ('{"seq":0}', '{"se', 1)


def test_a_disk_that_is_gone_costs_results_that_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file_module, "RETRY_S", 0.0)
    (tmp_path / "out").write_text("in the way")
    sink = sink_of(tmp_path)
    publish(sink, range(5))
    assert sink.counts() == {"delivered": 0, "dropped": 5, "waiting": 0}
    assert "not written" in sink.state
    (tmp_path / "out").unlink()
    publish(sink, range(5, 7))
    sink.close()
    assert numbers(tmp_path / "out/r.ndjson") == [5, 6]
    assert "works again; results lost: 5" in caplog.text
    assert caplog.text.count("results are lost until it works again") == 1
