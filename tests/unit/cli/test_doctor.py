from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_sdk.cli import doctor
from edge_sdk.cli.checks import Check, Engines
from edge_sdk.cli.engines import Trial, try_foreign
from edge_sdk.cli.main import main
from edge_sdk.engines import FOREIGN

WORKING = Engines("host", "avx2", "native kernels work here", {"host": "ok", "sandbox": "ok"})
FALLEN_BACK = Engines("sandbox", "wasm_simd128", "no AVX2", {"host": "this CPU has no AVX2", "sandbox": "ok"})
OTHERS = {"litert": Trial("ok", "2.3.0"), "tflite_runtime": Trial("it is not installed", mend="pip install it")}
BROKEN = Engines("", "", "no provider of kernels works", {"host": "no library", "sandbox": "no kernels.wasm"})


@pytest.fixture(autouse=True)
def _quiet_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the machine as it is, but for what the tests are about: engines, cache, board."""
    monkeypatch.setattr(doctor, "try_engines", lambda order: WORKING)
    monkeypatch.setattr(doctor, "try_foreign", lambda: OTHERS)
    monkeypatch.setenv("EDGE_SDK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGE_BOARD", raising=False)
    monkeypatch.delenv("EDGE_SDK_BOARDS", raising=False)


def object_of(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_json_is_one_object_with_the_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    answer = object_of(capsys)
    assert (answer["engine"], answer["isa"], answer["self_test"], answer["ready"]) == ("host", "avx2", "ok", True)
    assert isinstance(answer["board"], str)
    assert isinstance(answer["checks"], list)
    assert {"name", "state", "needed", "detail", "fix"} == set(answer["checks"][0])


def test_the_board_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "--board", "sim"]) == 0
    answer = object_of(capsys)
    assert (answer["board"], answer["board_evidence"]) == ("sim", ["asked for by name"])


def test_an_unknown_board_leaves_with_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--board", "rasberrypi-5"]) == 4
    assert "did you mean 'raspberrypi-5'" in capsys.readouterr().err


def test_the_text_says_board_engine_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--board", "sim"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["board", "sim"]
    assert lines[1].startswith("engine  host (avx2)")
    assert lines[-1] == "the main job can run"


def test_a_fallback_is_said_loudly_but_the_main_job_can_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "try_engines", lambda order: FALLEN_BACK)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "engine  sandbox (wasm_simd128), no AVX2" in out
    assert "MISSING host" in out
    assert "try: pip install --force-reinstall" in out


def test_other_runtimes_are_told_and_never_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "ok litert 2.3.0; in a child process, for models that name it" in lines
    text = "note tflite_runtime it is not installed; only models that name this engine need it"
    assert lines[lines.index(text) + 1] == "try: pip install it"


def test_every_other_runtime_is_asked_where_it_would_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for engine in FOREIGN.values():
        monkeypatch.setenv(engine.python_variable, "/bin/false")
    for name, trial in try_foreign().items():
        assert trial.outcome == f"{FOREIGN[name].distribution} cannot be imported: its process ended with exit code 1"


def test_no_working_engine_leaves_with_13_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "try_engines", lambda order: BROKEN)
    assert main(["doctor", "--json"]) == 13
    answer = object_of(capsys)
    assert answer["engine"] is None
    assert answer["self_test"] == "host: no library; sandbox: no kernels.wasm"
    assert answer["ready"] is False


def test_a_missing_package_that_is_needed_leaves_with_13(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(doctor.PACKAGES, "no-such-package-anywhere", ("is only in this test", ""))
    assert main(["doctor"]) == 13
    assert "the main job cannot run: no-such-package-anywhere" in capsys.readouterr().out


def test_doctor_makes_nothing_without_fix(tmp_path: Path) -> None:
    assert main(["doctor"]) == 0
    assert not (tmp_path / "cache").exists()


def test_fix_makes_the_cache_folder_and_looks_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--fix"]) == 0
    captured = capsys.readouterr()
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert f"cache: install -d -m 700 {tmp_path}/cache" in captured.err
    assert [line for line in captured.out.splitlines() if line.startswith("ok      cache")]


def test_fix_prints_but_never_runs_what_could_do_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "was-run"
    assert not doctor.mend(Check("serial", "missing", "", fix=f"touch {trace}"))
    assert f"serial: touch {trace}" in capsys.readouterr().err
    assert not trace.exists()


def test_this_machine_s_engines_prove_themselves() -> None:
    from edge_sdk.cli.engines import try_engines

    found = try_engines(("host", "sandbox"))
    assert found.tests["sandbox"] == "ok"
    assert found.engine in found.tests
    assert found.isa


def test_the_order_of_the_board_decides_between_engines_that_work() -> None:
    from edge_sdk.cli.engines import try_engines

    found = try_engines(("sandbox", "host"))
    assert found.engine == "sandbox"
    assert found.isa.startswith("wasm_")
