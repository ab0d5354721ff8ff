from __future__ import annotations

import json
import os
import signal
import socket
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
from edge_sdk.health import read_health
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
        (["m.tflite", "--check"], 2, "--check does not go with a model"),
        (["p.toml", "--check", "--duration", "3"], 2, "--duration does not go with --check"),
        (["p.toml", "--check"], 4, "p.toml: no such file"),
        (["p.toml", "--watch"], 2, "--watch does not go with a pipeline that runs here"),
        (["p.toml", "--key", "me.pem"], 2, "--key does not go with a pipeline that runs here"),
        (["p.toml", "--host", "press-7", "--check"], 2, "--check does not go with --host"),
        (["p.toml", "--host", "press-7", "--engine", "sandbox"], 2, "--engine does not go with --host"),
        (["p.toml", "--host", "press-7", "--watch"], 4, "p.toml: no such file"),
        (["m.tflite", "--host", "press-7"], 2, "--host does not go with a model"),
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


@pytest.mark.parametrize("module", ["numpy", "edge_sdk.pipeline"])
def test_sigterm_before_the_first_sample_ends_it_cleanly(tmp_path: Path, module: str) -> None:
    """The process gets the signal while it imports what the pipeline needs: some way into its first 0.3 s."""
    hook = (
        "import os, signal, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Hook())\n"
        "from edge_sdk.cli.main import main\n"
        f"sys.exit(main(['run', {str(write_pipeline(tmp_path, WINDOW))!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", hook], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "stopped (SIGTERM)\n")


def test_the_handler_of_a_caller_is_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["run", str(write_pipeline(tmp_path, WINDOW))]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_check_opens_nothing_and_names_what_is_left_to_the_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = '[[sinks]]\ntype = "mqtt"\ninput = "win"\nurl = "${env:EDGE_TEST_NEVER_SET}"\nrequired = true\n'
    path = write_pipeline(tmp_path, WINDOW + sink)
    assert main(["run", str(path), "--check", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"name": "test", "variables": ["EDGE_TEST_NEVER_SET"], "unchecked": []}
    assert err == f"{path}: no mistakes found\nleft to the device: EDGE_TEST_NEVER_SET\n"


def test_check_finds_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_pipeline(tmp_path, WINDOW.replace("size", "siez"))
    assert main(["run", str(path), "--check"]) == 3
    assert "steps[0].siez: unknown key; did you mean 'size'?" in capsys.readouterr().err


def test_a_service_writes_its_health_and_speaks_to_its_manager(tmp_path: Path) -> None:
    path = write_pipeline(tmp_path, WINDOW)
    path.write_text(path.read_text().replace("speed = 0", "speed = 1\nloop = true"))
    variables = {"EDGE_SDK_HEALTH": f"{tmp_path}/health.json", "NOTIFY_SOCKET": f"{tmp_path}/notify"}
    command = [sys.executable, "-m", "edge_sdk.cli.main", "run", str(path), "--json"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(variables["NOTIFY_SOCKET"])
        manager.settimeout(30)
        with subprocess.Popen(
            command, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096).startswith(b"STATUS=0 results")
            process.send_signal(signal.SIGTERM)
            assert manager.recv(4096).startswith(b"STOPPING=1\n")
            process.communicate(timeout=30)
    report = read_health(tmp_path / "health.json")
    assert report is not None
    assert (report.pid, process.returncode) == (process.pid, 0)
