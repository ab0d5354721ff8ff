from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from edge_sdk.cli.main import main
from tests.unit.golden.projects import write_project

EXPECT = 'golden = "counts.ndjson"\nresults = 10'


def test_results_are_written_down_once_and_compared_ever_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_project(tmp_path, EXPECT)
    assert main(["test", str(path)]) == 4
    assert f"try: edge-sdk test {path} --update" in capsys.readouterr().err
    assert main(["test", str(path), "--update"]) == 0
    first = (tmp_path / "counts.ndjson").read_bytes()
    assert main(["test", str(path)]) == 0
    assert "ok    counts" in capsys.readouterr().err
    assert main(["test", str(path), "--update"]) == 0
    assert (tmp_path / "counts.ndjson").read_bytes() == first


def test_the_first_difference_is_named_with_its_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_project(tmp_path, EXPECT + "\ntolerance = 0.25")
    main(["test", str(path), "--update"])
    text = (tmp_path / "counts.ndjson").read_text()
    (tmp_path / "counts.ndjson").write_text(text.replace("15.5", "15.125"))  # within 0.25 of 15.5's size
    assert main(["test", str(path)]) == 0
    (tmp_path / "counts.ndjson").write_text(text.replace("15.5", "99.5").replace("20.5", "99.5"))
    capsys.readouterr()
    assert main(["test", str(path)]) == 8
    error = f"error: {path}: counts: step win, result 3: values[1]: expected 99.5, got 15.5 (tolerance 0.25)"
    assert error in capsys.readouterr().err


def test_update_does_not_hide_what_else_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_project(tmp_path, 'golden = "counts.ndjson"\nresults = 11')
    assert main(["test", str(path), "--update"]) == 8
    assert "expected 11 results, got 10" in capsys.readouterr().err


def test_all_tests_run_though_one_is_broken_and_a_mismatch_decides_the_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_project(tmp_path, "results = 10")
    (tmp_path / "tests").mkdir()
    for name, results in (("b", 10), ("c", 11)):
        text = path.read_text().replace('"pipeline', '"../pipeline').replace('"x.npz', '"../x.npz')
        (tmp_path / "tests" / f"{name}.toml").write_text(text.replace("results = 10", f"results = {results}"))
    (tmp_path / "tests" / "a.toml").write_text("nonsense")
    junit = tmp_path / "report.xml"
    assert main(["test", str(tmp_path), "--json", "--junit", str(junit)]) == 8
    out, err = capsys.readouterr()
    assert "1 of 3 passed" in err
    told = json.loads(out)
    assert (told["passed"], told["failed"]) == (1, 2)
    assert [(Path(one["file"]).name, one["ok"], one["exit_code"]) for one in told["tests"]] == [
        ("a.toml", False, 3),
        ("b.toml", True, 0),
        ("c.toml", False, 8),
    ]
    root = Xml.fromstring(junit.read_bytes())
    assert (root.get("failures"), root.get("errors")) == ("1", "1")
    (tmp_path / "tests" / "c.toml").unlink()
    assert main(["test", str(tmp_path)]) == 3


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        ([], 4, "this folder: no golden tests (tests/*.toml)"),
        (["none"], 2, "none: expected a .toml file or a folder"),
        (["none.toml"], 4, "none.toml: no such file"),
        (["."], 4, ".: no golden tests"),
        (["--engine", "gpu"], 2, "invalid choice"),
    ],
)
def test_without_tests_there_is_nothing_to_pass(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    part: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.toml").write_text("")
    (tmp_path / "edge-sdk.toml").write_text("")
    assert main(["test", *words]) == code
    assert part in capsys.readouterr().err
