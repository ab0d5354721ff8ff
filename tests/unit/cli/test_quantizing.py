from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edge_sdk
from edge_sdk.cli.main import main
from tests.unit.compiler.quantize.float_models import samples, small_float_model
from tests.unit.compiler.quantize.weights_models import heavy_float_model, heavy_samples


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "small.tflite").write_bytes(small_float_model())
    np.savez(tmp_path / "capture.npz", x=np.concatenate([sample[0] for sample in samples(40, 1, 8, 8, 3)]))
    return tmp_path / "small.tflite"


def convert(model: Path, *more: str) -> int:
    return main(["convert", str(model), "--quantize", str(model.with_name("capture.npz")), *more])


def test_a_quantised_module_is_written_and_runs(model: Path, capsys: pytest.CaptureFixture[str]):
    assert convert(model, "--keep-float", "none", "--io", "int8") == 0
    captured = capsys.readouterr()
    for word in ("calibrated", "agreement", "output error", "size", "speed", "int8"):
        assert word in captured.out
    assert "calibrating: 0 of 20" in captured.err
    with edge_sdk.load(model.with_suffix(".wasm")) as loaded:
        assert loaded.inputs[0].dtype == "int8"
        loaded.run(np.zeros((1, 8, 8, 3), np.int8))


def test_json_holds_the_whole_report(model: Path, capsys: pytest.CaptureFixture[str]):
    assert convert(model, "--json", "--dry-run", "--keep-float", "0,5", "--calibration", "percentile") == 0
    report = json.loads(capsys.readouterr().out)["quantization"]
    assert report["calibration"] == "percentile"
    assert [node["index"] for node in report["nodes"] if not node["int8"]] == [0, 5]
    assert report["outcome"]["signal_to_noise_db"] > 10
    assert not model.with_suffix(".wasm").exists()


@pytest.mark.parametrize("form", ["dynamic", "float16"])
def test_a_module_with_narrow_weights_is_written_and_runs(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "heavy.tflite"
    path.write_bytes(heavy_float_model())
    np.savez(tmp_path / "capture.npz", x0=heavy_samples(4))
    assert main(["convert", str(path), "--weights", form, "--evaluate", str(tmp_path / "capture.npz"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["weights"]["narrow_bytes"] == pytest.approx(report["module_bytes"], abs=100)
    assert report["weights"]["evaluation"]["samples"] == 4
    assert [layer["reason"] for layer in report["weights"]["layers"]] == ["", "", "", "fewer than 1024 weights"]
    with edge_sdk.load(path.with_suffix(".wasm")) as loaded:
        assert np.isfinite(loaded.run(heavy_samples(1)[0])[0]).all()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--io", "int8"], 2, "--io: only with --quantize"),
        (["--weights", "dynamic", "--quantize", "capture.npz"], 2, "give one of them"),
        (["--weights", "dynamic", "--io", "int8"], 2, "--io: only with --quantize"),
        (["--evaluate", "capture.npz"], 2, "--evaluate: only with --weights"),
        (["--weights", "int4"], 2, "invalid choice"),
        (["--weights", "float16"], 3, "no layer has float weights that can be float16"),
        (["--quantize", "absent.npz"], 4, "no such file"),
        (["--quantize", "small.tflite"], 3, "not a readable .npz file"),
        (["--quantize", "capture.npz", "--keep-float", "auto", "--keep-float", "3"], 2, "goes with no other"),
        (["--quantize", "capture.npz", "--keep-float", "nobody"], 2, "has no node 'nobody'"),
        (["--quantize", "capture.npz", "--calibration", "best"], 2, "invalid choice"),
    ],
)
def test_mistakes_are_named(
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    text: str,
):
    monkeypatch.chdir(model.parent)
    assert main(["convert", model.name, *arguments]) == code
    assert text in capsys.readouterr().err
