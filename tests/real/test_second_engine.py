"""The second engine from the outside: the command line, and a pipeline whose runtime is killed while it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import load
from edge_sdk.cli.main import main
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.health import read_health
from tests.support import REPOSITORY, require_shared
from tests.unit.compiler.importers.test_control import handle
from tests.unit.compiler.tflite_writer import TfliteWriter, add_options, options

MOTOR = REPOSITORY / "examples/demo/motor.tflite"
PATIENCE_S = 60.0


def unknown_operators() -> bytes:
    """Matrices with x and with a constant as diagonal: LiteRT has both operators, our converter has neither."""
    model = TfliteWriter()
    x, m, y = (
        model.tensor(name, shape, "float32") for name, shape in (("x", (1, 2)), ("m", (1, 2, 2)), ("y", (1, 2, 2)))
    )
    model.operator("MATRIX_DIAG", [x], [m])
    model.operator("MATRIX_SET_DIAG", [m, model.constant("d", np.array([[7, 8]], np.float32))], [y])
    return model.finish([x], [m, y])


def test_a_model_the_sandbox_refuses_runs_in_its_own_runtime_and_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.tflite").write_bytes(unknown_operators())
    np.save("x.npy", np.array([[-2, 5]], np.float32))
    run = ["run", "m.tflite", "--input", "x.npy", "--output", "m.npy", "--output", "y.npy"]
    for refused in (run, [*run, "--engine", "sandbox"], ["convert", "m.tflite"]):
        assert main(refused) == 3
        words = capsys.readouterr().err
        assert "MATRIX_SET_DIAG x1" in words
        assert "MATRIX_DIAG x1" in words
        assert "--engine litert" in words
    assert not Path("y.npy").exists()
    assert main([*run, "--engine", "litert", "--json"]) == 0
    assert np.load("m.npy").tolist() == [[[-2, 0], [0, 5]]]
    assert np.load("y.npy").tolist() == [[[7, 0], [0, 8]]]
    out, err = capsys.readouterr()
    assert json.loads(out)["engine"] == "litert 2.3.0 (built-in kernels) in a child process"
    assert "m.tflite: litert 2.3.0 (" in err


def test_the_reference_kernels_are_the_oracle_of_our_own(tmp_path: Path) -> None:
    models = require_shared()
    for arguments in (["--engine", "sandbox"], ["--engine", "litert", "--delegate", "reference"]):
        output = tmp_path / f"{arguments[1]}.npy"
        x = models / "inputs/vww96_int8.0.npy"
        assert (
            main(["run", str(models / "vww96_int8.tflite"), "--input", str(x), "--output", str(output), *arguments])
            == 0
        )
    assert (tmp_path / "sandbox.npy").read_bytes() == (tmp_path / "litert.npy").read_bytes()


def test_bench_puts_another_runtime_beside_ours_on_one_clock(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(MOTOR), "--engine", "sandbox,litert", "--seconds", "0.5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["engine"] for one in report["engines"]] == ["sandbox", "litert"]
    assert report["clock"] == "cpu"
    assert all(0.5 < one["median_us"] < 1000 for one in report["engines"])


def test_a_runtime_that_is_here_takes_part_without_being_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(MOTOR), "--seconds", "0.5", "--json"]) == 0
    assert "litert" in [one["engine"] for one in json.loads(capsys.readouterr().out)["engines"]]


def test_runs_are_timed_where_they_are_computed() -> None:
    with load(MOTOR, engine="litert") as model:
        x = np.zeros(model.inputs[0].shape, np.int8)
        once, often = model.time_runs(x), model.time_runs(x, times=500)
        assert np.array_equal(once.outputs[0], model.run(x)[0])
        assert 0 < once.cpu_ns < often.cpu_ns <= often.wall_ns * 1.05
        with pytest.raises(ValueError, match="times is 0"):
            model.time_runs(x, times=0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--delegate", "reference"], 2, "engine 'auto' takes no delegate"),
        (["--engine", "sandbox", "--delegate-option", "a=b"], 2, "engine 'sandbox' takes no delegate"),
        (["--engine", "litert", "--delegate-option", "a"], 2, "expected NAME=VALUE, got 'a'"),
        (["--engine", "litert", "--delegate-option", "a=b"], 2, "delegate 'xnnpack' takes no options"),
        (["--engine", "litert", "--delegate", "/none.so"], 4, "delegate /none.so: no such file"),
        (["--engine", "litert", "--delegate", "libnone.so"], 5, "delegate libnone.so: libnone.so: cannot open"),
    ],
)
def test_each_mistake_has_its_words_and_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 64), np.int8))
    assert main(["run", str(MOTOR), "--input", str(tmp_path / "x.npy"), *arguments]) == code
    assert words in capsys.readouterr().err


def test_a_runtime_that_is_not_installed_leaves_with_13(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGE_TFLITE_RUNTIME_PYTHON", raising=False)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "tflite-runtime" not in path])
    np.save(tmp_path / "x.npy", np.zeros((1, 64), np.int8))
    assert main(["run", str(MOTOR), "--input", str(tmp_path / "x.npy"), "--engine", "tflite_runtime"]) == 13
    words = capsys.readouterr().err
    assert "No module named 'tflite_runtime'" in words
    assert "pip install tflite-runtime==2.14.0 'numpy<2'" in words
    assert "EDGE_TFLITE_RUNTIME_PYTHON" in words


PIPELINE = f"""
name = "test"
device = "gw"

[sources.accel]
type = "replay"
file = "capture.npz"
rate_hz = 12000
loop = true

[[steps]]
id = "win"
use = "window"
input = "accel"
size = 1024

[[steps]]
id = "bands"
use = "spectrum"
input = "win"
bands = 64

[[steps]]
id = "score"
use = "model"
input = "bands"
model = "{MOTOR}"
engine = "litert"
"""


@contextmanager
def running(folder: Path, *arguments: str, text: str = PIPELINE) -> Iterator[subprocess.Popen[str]]:
    """A pipeline in a process of its own; results are lines of JSON on its stdout."""
    rng = np.random.default_rng(1)
    np.savez(folder / "capture.npz", x=rng.normal(0, 0.1, 24000).astype(np.float32))
    (folder / "pipeline.toml").write_text(text)
    command = [sys.executable, "-m", "edge_sdk.cli.main", "run", "pipeline.toml", "--json", *arguments]
    with (
        (folder / "stderr").open("w") as words,
        subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"EDGE_SDK_HEALTH": str(folder / "health.json")},
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def next_result(process: subprocess.Popen[str], wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    """The next result that is wanted; the others before it are read."""
    assert process.stdout is not None
    until_s = time.monotonic() + PATIENCE_S
    for line in process.stdout:
        result: dict[str, object] = json.loads(line)
        if wanted(result):
            return result
        assert time.monotonic() < until_s
    raise AssertionError("the pipeline ended")


def child_of(pid: int) -> int:
    """The one process that `pid` has started."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def test_killing_the_runtime_in_mid_run_costs_frames_and_is_counted(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        first = next_result(process, lambda result: True)
        assert first["engine"] == "litert 2.3.0 (XNNPACK) in a child process"
        for times in (1, 2):
            child = child_of(process.pid)
            os.kill(child, signal.SIGKILL)
            stale = next_result(process, lambda result: bool(result.get("stale")))
            assert stale["engine"] == first["engine"]
            next_result(process, lambda result: not result.get("stale"))
            until_s = time.monotonic() + PATIENCE_S
            while (health := read_health(tmp_path / "health.json")) is None or health.restarts < times:
                assert time.monotonic() < until_s
                next_result(process, lambda result: True)
            assert health.restarts == times
            assert health.faults >= times
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
    words = (tmp_path / "stderr").read_text()
    assert process.returncode == 0
    assert "motor: litert: its process died of SIGKILL (faults so far: 1)" in words
    for times in (1, 2):
        assert f"opened anew after: motor: litert: its process died of SIGKILL (restarts so far: {times})" in words
    assert "; 2 restarts" in words.splitlines()[-1]
    assert not Path(f"/proc/{child}").exists()


def test_the_engine_of_every_model_can_be_overridden(tmp_path: Path) -> None:
    text = PIPELINE + 'delegate = "none"\n'
    with running(tmp_path, "--engine", "sandbox", "--max-results", "1", text=text) as process:
        assert next_result(process, lambda result: True)["engine"].startswith("sandbox (wasm_")
    text = PIPELINE.replace('engine = "litert"', 'engine = "sandbox"')
    with running(tmp_path, "--engine", "litert", "--max-results", "1", text=text) as process:
        assert next_result(process, lambda result: True)["engine"] == "litert 2.3.0 (XNNPACK) in a child process"


def test_a_delegate_of_an_engine_that_takes_none_is_named_with_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PIPELINE.replace('engine = "litert"', 'engine = "host"\ndelegate = "none"')
    (tmp_path / "pipeline.toml").write_text(text)
    np.savez(tmp_path / "capture.npz", x=np.zeros(24000, np.float32))
    assert main(["run", str(tmp_path / "pipeline.toml"), "--check"]) == 2
    assert "pipeline.toml: steps[2].model: engine 'host' takes no delegate" in capsys.readouterr().err


def summing() -> bytes:
    """y = the sum of all x so far, kept in a variable that begins at 7."""
    model = TfliteWriter()
    first = model.subgraph()
    seven = first.constant("seven", np.full((1, 2), 7, np.float32))
    first.operator("ASSIGN_VARIABLE", [handle(first), seven], [])
    first.end([], [])
    model.operator("CALL_ONCE", [], [], **options(schema.CallOnceOptions, INIT_SUBGRAPH=("i", 1)))
    x, before, y = (model.tensor(name, (1, 2), "float32") for name in ("x", "before", "y"))
    model.operator("READ_VARIABLE", [handle(model)], [before])
    model.operator("ADD", [x, before], [y], **add_options())
    model.operator("ASSIGN_VARIABLE", [handle(model), y], [])
    return model.finish([x], [y])


@pytest.mark.parametrize("engine", ["host", "sandbox", "litert"])
def test_a_model_that_keeps_state_begins_anew_after_a_reset(engine: str, tmp_path: Path) -> None:
    (tmp_path / "sum.tflite").write_bytes(summing())
    x = np.array([[1, 2]], np.float32)
    with load(tmp_path / "sum.tflite", engine=engine) as model:
        assert model.keeps_state
        assert [model.run(x)[0].tolist() for _ in range(2)] == [[[8, 9]], [[9, 11]]]
        model.reset()
        assert model.run(x)[0].tolist() == [[8, 9]]
