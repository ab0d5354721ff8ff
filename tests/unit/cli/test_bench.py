from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.bench import model as bench_model_module
from edge_sdk.bench.choose import candidates
from edge_sdk.bench.layers import Layer
from edge_sdk.bench.model import Agreement, EngineResult, Report
from edge_sdk.bench.power import Power
from edge_sdk.cli.bench import table
from edge_sdk.cli.main import main
from edge_sdk.runtime.choice import recall

ROW = EngineResult("host", "avx2", "it works", 48.0, 55.0, 60.5, 47.0, 1.0, 100, 4, 12.5, 0.3, 52.0, 10.25)
SAME = Agreement(identical=True, integers_differ=False, largest_difference=0.0)
REPORT = Report(
    model="m.wasm",
    source_sha256="0" * 64,
    seconds=1.0,
    clock="cpu",
    ratio_base="host",
    threads=1,
    macs=2_000_000,
    outputs=SAME,
    engines=(ROW, replace(ROW, engine="sandbox", isa="wasm_simd128", median_us=200.0, ratio=4.17)),
    skipped={},
    machine={"board": "sim"},
    module_sha256="1" * 64,
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What bench_model was asked; it answers with REPORT."""
    log: list[tuple[object, ...]] = []

    def answer(path: Path, engines: object, seconds: float, **options: object) -> Report:
        log.append((path, tuple(engines), seconds, options))  # type: ignore[arg-type]
        return REPORT

    monkeypatch.setattr(bench_model_module, "bench_model", answer)
    return log


def test_the_table_has_a_line_for_each_engine_and_says_whether_outputs_agree() -> None:
    lines = table(REPORT)
    assert "host (avx2)" in lines[1]
    assert "4.17x" in lines[2]
    assert lines[-1] == "outputs: identical; ratio: CPU time relative to host"


def test_energy_has_a_line_for_each_engine_or_a_reason() -> None:
    measured = replace(REPORT, power=Power("RAPL", "", 3.5, {"host": 0.00125}, {"host": 0.001}))
    assert table(measured)[-2:] == ["energy: RAPL; 3.50 W idle", f"{'host':<28}1.25 mJ a run, 1 mJ above idle"]
    without = replace(REPORT, power=Power(None, "no chip", None, {"host": None}, {"host": None}))
    assert table(without)[-1] == "energy: unknown, this machine has no meter (no chip)"


def test_json_is_one_object_on_stdout_and_progress_is_on_stderr(
    asked: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "m.wasm", "--json"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert [one["engine"] for one in answer["engines"]] == ["host", "sandbox"]
    assert "measuring m.wasm" in captured.err


def test_engines_that_were_asked_for_must_all_work_and_the_default_ones_need_not(
    asked: list[tuple[object, ...]],
) -> None:
    main(["bench", "m.wasm", "--engine", "sandbox, host"])
    main(["bench", "m.wasm"])
    (_, first, _, options), (_, second, _, defaults) = asked
    assert (first, options["all_or_nothing"]) == (("sandbox", "host"), True)
    assert (second, defaults["all_or_nothing"]) == (("host", "sandbox"), False)


def test_save_remembers_the_fastest_of_our_engines(
    asked: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_SDK_CACHE", str(tmp_path))
    assert main(["bench", "m.wasm", "--save"]) == 0
    assert asked[0][1] == candidates()
    assert "auto takes host (avx2): measured" in capsys.readouterr().err
    choice = recall(REPORT.module_sha256)
    assert choice is not None
    assert (choice.engine, choice.isa) == ("host", "avx2")
    assert main(["bench", "m.wasm", "--save", "--engine", "host"]) == 2


def test_a_place_that_cannot_be_written_leaves_with_7_and_the_figures_on_stdout(
    tmp_path: Path, asked: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "m.wasm", "--json", "--html", str(tmp_path / "absent/r.html")]) == 7
    out, err = capsys.readouterr()
    assert json.loads(out)["ratio_base"] == "host"
    assert f"try: mkdir -p {tmp_path / 'absent'}" in err


def test_integers_that_differ_leave_with_8(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    differ = replace(REPORT, outputs=Agreement(identical=False, integers_differ=True, largest_difference=3.0))
    monkeypatch.setattr(bench_model_module, "bench_model", lambda *_, **__: differ)
    assert main(["bench", "m.wasm"]) == 8
    assert "host and sandbox give different integers, by up to 3" in capsys.readouterr().err


def test_the_input_files_are_the_input(tmp_path: Path, asked: list[tuple[object, ...]]) -> None:
    np.save(tmp_path / "x.npy", np.arange(4, dtype=np.int8))
    assert main(["bench", "m.wasm", "--input", str(tmp_path / "x.npy")]) == 0
    (given,) = asked[0][3]["inputs"]  # type: ignore[index]
    assert given.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--seconds", "0"], 2),
        (["--seconds", "nan"], 2),
        (["--seconds", "soon"], 2),
        (["--engine", ","], 2),
        (["--input", "absent.npy"], 4),
    ],
)
def test_wrong_use_is_refused(arguments: list[str], code: int, asked: list[tuple[object, ...]]) -> None:
    assert main(["bench", "m.wasm", *arguments]) == code
    assert not asked


def test_layers_have_a_table_and_the_page_a_file(
    asked: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = Layer("n", "conv2d", "conv2d_s8", 3000, 1.5, 0.75, 2.0, 0.5)
    full = replace(REPORT, engines=(replace(ROW, layers=(layer,), best_gmacs={"s8": 4.0}, samples_us=(48.0, 49.0)),))
    monkeypatch.setattr(bench_model_module, "bench_model", lambda *args, **options: full)
    assert main(["bench", "m.wasm", "--layers", "--html", str(tmp_path / "r.html"), "--threads", "2"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"conv2d +conv2d_s8 +1\.50 µs +75\.0% +3,000 +2\.0 +50%", out)
    assert "<svg" in (tmp_path / "r.html").read_text()
