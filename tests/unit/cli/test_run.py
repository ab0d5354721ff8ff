from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge_sdk
from edge_sdk.cli.main import main
from edge_sdk.errors import InputError
from edge_sdk.tensor import TensorSpec
from tests.unit.pipeline.fakes import WINDOW, write_pipeline


class Double:
    """A model that doubles its input."""

    engine = "fake (none)"
    inputs = (TensorSpec("x", "float32", (2,)),)
    outputs = (TensorSpec("y", "float32", (2,)),)

    def __enter__(self) -> Double:
        return self

    def __exit__(self, *arguments: object) -> None: ...

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        if inputs[0].dtype != np.float32:
            raise InputError("input x: expected float32")
        return (inputs[0] * 2,)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []

    def load(path: Path, **options: Any) -> Double:
        seen.append({"path": path, **options})
        return Double()

    monkeypatch.setattr(edge_sdk, "load", load, raising=False)
    return seen


def test_a_model_runs_on_one_input(
    tmp_path: Path, double: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.array([1, 2], np.float32))
    output = tmp_path / "y.bin"
    argv = ["run", "m.tflite", "--input", str(tmp_path / "x.npy"), "--output", str(output), "--engine", "sandbox"]
    assert main([*argv, "--threads", "2", "--json"]) == 0
    assert np.load(output).tolist() == [2, 4]
    assert double == [{"path": Path("m.tflite"), "engine": "sandbox", "threads": 2}]
    out, err = capsys.readouterr()
    assert json.loads(out)["outputs"] == [{"dtype": "float32", "shape": [2]}]
    assert err.startswith("m.tflite: fake (none), ")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["x.npy", "y.bin"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["m.onnx"], 2, "expected a pipeline (.toml) or a model (.tflite, .wasm)"),
        (["m.tflite"], 2, "expected --input 1 times, for x; got 0"),
        (["m.tflite", "--input", "x.npy", "--output", "a", "--output", "b"], 2, "expected --output 1 times"),
        (["m.tflite", "--duration", "3"], 2, "--duration does not go with a model"),
        (["p.toml", "--input", "x.npy"], 2, "--input does not go with a pipeline"),
        (["p.toml", "--duration", "0"], 2, "expected a number above 0"),
        (["p.toml", "--duration", "nan"], 2, "expected a number above 0"),
        (["p.toml", "--engine", "gpu"], 2, "invalid choice: 'gpu'"),
        (["p.toml"], 4, "p.toml: no such file"),
        (["m.tflite", "--input", "none.npy"], 4, "none.npy: no such file"),
        (["m.tflite", "--input", "bad.npy"], 3, "bad.npy: not a .npy array"),
        (["m.tflite", "--input", "pickle.npy"], 3, "pickle.npy: expected numbers, got the dtype object"),
        (["m.tflite", "--input", "int.npy"], 3, "input x: expected float32"),
        (["m.tflite", "--input", "x.npy", "--output", "none/y.npy"], 7, "none/y.npy: cannot be written"),
        (["m.tflite", "--input", "x.npy", "--output", "."], 7, ": cannot be written"),
    ],
)
def test_each_mistake_has_its_words_and_exit_code(
    tmp_path: Path,
    double: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.zeros(2, np.float32))
    np.save("int.npy", np.zeros(2, np.int8))
    np.save("pickle.npy", np.array([{}], object))
    Path("bad.npy").write_bytes(b"\x93NUMPY\x01\x00\xff\xff{")
    assert main(["run", *arguments]) == code
    assert words in capsys.readouterr().err


def test_a_pipeline_gives_ndjson_on_stdout_and_words_on_stderr(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = write_pipeline(tmp_path, WINDOW)
    assert main(["run", str(path), "--json"]) == 0
    out, err = capfdbinary.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(10))
    assert b"test on gw: running" in err
    assert b"(sources ended): 10 results" in err


def test_limits_end_a_pipeline(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = write_pipeline(tmp_path, "loop = true\n" + WINDOW)
    assert main(["run", str(path), "--max-results", "5", "--json"]) == 0
    assert len(capfdbinary.readouterr().out.splitlines()) == 5
    assert main(["run", str(path), "--duration", "0.2"]) == 0
    assert b"(duration)" in capfdbinary.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_the_process_cleanly(tmp_path: Path, number: signal.Signals, code: int) -> None:
    path = write_pipeline(tmp_path, WINDOW)
    path.write_text(path.read_text().replace("speed = 0", "speed = 1\nloop = true"))
    command = [sys.executable, "-m", "edge_sdk.cli.main", "run", str(path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        began_s = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert time.monotonic() - began_s < 10
    assert f"({number.name})".encode() in err
    assert b"Traceback" not in err
