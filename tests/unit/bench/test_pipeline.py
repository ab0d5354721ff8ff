from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.bench.pipeline import bench_pipeline, lines
from edge_sdk.cli.main import main
from edge_sdk.errors import ConfigError

FILE = """name = "t"
[sources.accel]
type = "replay"
file = "x.npz"
rate_hz = {rate}

[[steps]]
id = "win"
use = "window"
input = "accel"
size = 64
hop = 32

[[steps]]
id = "ring"
use = "envelope"
input = "win"
low_hz = {low}
high_hz = {high}
"""


def write(folder: Path, rate: object, band: tuple[float, float] = (100, 500)) -> Path:
    np.savez(folder / "x.npz", x=np.zeros((200, 2), np.float32))
    path = folder / "p.toml"
    path.write_text(FILE.format(rate=rate, low=band[0], high=band[1]))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, 1600)


def test_every_step_has_its_counts_and_its_share(file: Path) -> None:
    report = bench_pipeline(file, 0.1)
    win, ring = report.steps
    assert (win.id, win.kind, ring.frames_in) == ("win", "window", win.frames_out)
    assert win.frames_in >= 10
    assert win.frames_out == pytest.approx(win.frames_in, abs=2)  # 32 rows a reading, a window for every 32
    assert win.share + ring.share == pytest.approx(1, abs=0.001)
    assert report.results == ring.frames_out
    assert report.signal_s == pytest.approx(win.frames_in * 0.02, abs=0.001)
    assert report.load == pytest.approx(report.cpu_ms / 1000 / report.signal_s, rel=0.01)


def test_a_slow_sensor_gives_nothing_in_most_turns(tmp_path: Path) -> None:
    report = bench_pipeline(write(tmp_path, 5, (0.5, 2)), 0.05)
    assert report.signal_s is not None
    assert report.steps[0].frames_in == pytest.approx(5 * report.signal_s, abs=2)


def test_the_table_says_how_much_of_a_core_is_needed(file: Path) -> None:
    text = lines(bench_pipeline(file, 0.05))
    assert text[1].startswith("win")
    assert "of one core at the sensors' rate (accel 1600 Hz)" in text[-1]


def test_the_command_prints_one_object(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(file), "--seconds", "0.05", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [step["id"] for step in report["steps"]] == ["win", "ring"]
    assert "giving_ns" not in report["steps"][0]


@pytest.mark.parametrize(
    "option",
    [["--layers"], ["--power"], ["--save"], ["--threads", "2"], ["--html", "x.html"], ["--engine", "host,auto"]],
)
def test_what_only_a_model_has_is_refused(file: Path, capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    assert main(["bench", str(file), *option]) == 2
    assert option[0] in capsys.readouterr().err


def test_a_mistake_in_the_file_is_said_as_by_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rate_hz"):
        bench_pipeline(write(tmp_path, '"fast"'), 0.05)
