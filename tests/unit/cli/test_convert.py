from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_sdk.cli.main import main
from edge_sdk.compiler.codegen import wasm
from tests.unit.compiler.tflite_writer import TfliteWriter, small_int8_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(small_int8_model())
    return path


def test_a_module_is_written_and_stdout_stays_empty(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = model.with_name("out.wasm")
    assert main(["convert", str(model), "-o", str(output)]) == 0
    assert output.read_bytes().startswith(wasm.MAGIC)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"wrote {output}" in captured.err
    assert sorted(path.name for path in model.parent.iterdir()) == ["out.wasm", "small.tflite"]


def test_the_output_is_named_after_the_model_by_default(model: Path) -> None:
    assert main(["convert", str(model)]) == 0
    assert model.with_suffix(".wasm").exists()


def test_a_standalone_module_imports_nothing(model: Path) -> None:
    output = model.with_name("out.wasm")
    assert main(["convert", str(model), "--standalone", "-o", str(output)]) == 0
    assert wasm.IMPORT not in dict(wasm.read_sections(output.read_bytes(), "out"))


def test_a_dry_run_shows_the_nodes_and_writes_nothing(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(model), "--dry-run"]) == 0
    assert "fully_connected_s8" in capsys.readouterr().out
    assert [path.name for path in model.parent.iterdir()] == ["small.tflite"]


def test_json_is_one_object(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(model), "--dry-run", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["name"] == "small"
    assert report["output"] is None
    assert len(report["nodes"]) == 6


def unsupported_model() -> bytes:
    """Two operators that nobody has, one that we have not for these tensors, one whose size is not known."""
    writer = TfliteWriter()
    x, y = writer.tensor("x", (1, 4), "float32"), writer.tensor("y", (1, 4), "float32")
    a, b = writer.tensor("a", (1, 4), "float32"), writer.tensor("b", (-1, 4), "float32")
    c, d = writer.tensor("c", (1, 4), "float64"), writer.tensor("d", (1, 4), "float64")
    writer.operator("Mine", [x], [a], custom=b"")
    writer.operator("FlexErf", [a], [y], custom=b"")
    writer.operator("RELU", [y], [b])
    writer.operator("RELU", [c], [d])
    return writer.finish([x, c], [y, b, d])


def test_an_unsupported_model_is_refused_with_every_operator_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mixed.tflite"
    path.write_bytes(unsupported_model())
    assert main(["convert", str(path), "--dry-run"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    for words in ("4 of 4 operators", "CUSTOM 'Mine' x1: no such operator", "node 'a'", "CUSTOM 'FlexErf' x1",
                  "TFLITE_BUILTINS", "RELU x1: float64 tensors", "every size must be known", "fixed input shapes",
                  "try: "):  # fmt: skip
        assert words in captured.err


def test_json_lists_what_is_refused_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mixed.tflite"
    path.write_bytes(unsupported_model())
    assert main(["convert", str(path), "--json"]) == 3
    captured = capsys.readouterr()
    page = json.loads(captured.out)
    assert page["name"] == "mixed"
    assert {refusal["operator"] for refusal in page["refusals"]} == {"CUSTOM 'FlexErf'", "CUSTOM 'Mine'", "RELU"}
    assert all(refusal["count"] == len(refusal["nodes"]) == 1 and refusal["advice"] for refusal in page["refusals"])
    assert "cannot be converted" in captured.err
    assert [found.name for found in tmp_path.iterdir()] == ["mixed.tflite"]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["absent.tflite"], 4, "no such file"),
        (["."], 4, "is a folder"),
        (["text.txt"], 3, "no model file"),
        (["small.tflite", "-o", "absent/out.wasm"], 7, "try: mkdir -p absent"),
        (["small.tflite", "-o", "small.tflite"], 2, "the model itself"),
        (["small.tflite", "--what"], 2, "unrecognized"),
        ([], 2, "MODEL"),
    ],
)
def test_mistakes_have_a_clear_message_and_their_exit_code(
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(model.parent)
    (model.parent / "text.txt").write_text("hello")
    assert main(["convert", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err
    assert "Traceback" not in captured.err
    assert model.read_bytes() == small_int8_model()
