from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.cli import init
from edge_sdk.cli.main import main
from edge_sdk.config.pipeline import read_pipeline
from edge_sdk.config.project import read_project
from edge_sdk.golden import read_case, run_case

TEXTS = ("*.toml", "*.md", ".gitignore")


def make(folder: Path, *options: str) -> Path:
    assert main(["init", str(folder), *options]) == 0
    return folder


def texts_of(project: Path) -> dict[str, str]:
    return {path.name: path.read_text() for pattern in TEXTS for path in project.rglob(pattern)}


@pytest.mark.parametrize("template", sorted(init.TEMPLATES))
@pytest.mark.parametrize("engine", ["host", "sandbox"])
def test_a_new_project_passes_its_own_tests(tmp_path: Path, template: str, engine: str) -> None:
    project = make(tmp_path / "press-7", "--template", template)
    assert main(["test", str(project), "--engine", engine]) == 0


@pytest.mark.parametrize("template", sorted(init.TEMPLATES))
def test_every_text_is_filled_in_and_every_file_of_the_project_is_there(tmp_path: Path, template: str) -> None:
    project = make(tmp_path / "press-7", "--template", template)
    for name, text in texts_of(project).items():
        assert "{{" not in text, name
    pipeline = read_pipeline(project / "pipeline.toml")
    assert pipeline.name == "press-7"
    found = read_project(project / "edge-sdk.toml")
    for written in (found.project.pipeline, found.project.key, found.project.trust):
        path = found.path(written)
        assert path is not None
        assert path.exists()
    for name in re.findall(r"^\| `([^`]+)` \|", (project / "README.md").read_text(), re.MULTILINE):
        assert (project / name).exists(), name


def test_the_alarm_of_the_worn_recording_comes_after_the_damage(tmp_path: Path) -> None:
    project = make(tmp_path / "press-7")
    outcome = run_case(read_case(project / "tests/worn.toml"))
    assert outcome.first_alarm_s == pytest.approx(13 * 2048 / 12000)
    assert not any(row.alarm for row in outcome.rows if row.seq * 2048 / 12000 < 1.5)


def test_the_commented_sensor_is_the_one_the_simulator_plays(tmp_path: Path) -> None:
    path = make(tmp_path / "press-7") / "pipeline.toml"
    before, replay, rest = re.split(r"(?ms)^(\[sources\.accel\].*?)(?=\n# The real)", path.read_text(), maxsplit=1)
    serial = re.sub(r"(?m)^# (\[sources|[a-z_]+ = )", r"\1", rest)
    path.write_text(before + serial)
    (source,) = read_pipeline(path).sources
    assert "loop = true" in replay
    assert source.kind == "serial"
    # The same recordings stand in for it, without a port.
    assert main(["test", str(path.parent)]) == 0


def test_options_reach_the_files(tmp_path: Path) -> None:
    options = ["--board", "pi5", "--host", "pi@gate.local", "--broker", "mqtts://broker:8884"]
    project = make(tmp_path / "deep" / "press-7", *options)
    host = read_project(project / "edge-sdk.toml").hosts["gate"]
    assert (host.address, host.board) == ("pi@gate.local", "raspberrypi-5")
    assert 'url = "mqtts://broker:8884"' in (project / "pipeline.toml").read_text()
    assert "edge-sdk flash --host gate" in (project / "README.md").read_text()


def test_keys_are_private_and_not_for_the_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make(tmp_path / "press-7")
    for name in ("dev", "root"):
        assert stat.S_IMODE((project / f"keys/{name}.pem").stat().st_mode) == 0o600
    assert "keys/*.pem" in (project / ".gitignore").read_text()
    capsys.readouterr()
    assert main(["bundle", "keys", "list", "--trust", str(project / "keys/trust"), "--json"]) == 0
    roles = json.loads(capsys.readouterr().out)["roles"]
    assert (len(roles["root"]["keys"]), len(roles["bundle"]["keys"])) == (1, 1)
    assert roles["root"] != roles["bundle"]


def test_without_cryptography_there_is_a_project_without_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    project = make(tmp_path / "press-7", "--json")
    out, err = capsys.readouterr()
    assert "cryptography" in json.loads(out)["keys"]
    assert "pip install cryptography" in err
    assert '"Keys" in its README.md' in err
    assert list((project / "keys").iterdir()) == []
    assert main(["test", str(project)]) == 0


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "press-7").mkdir()
    (tmp_path / "press-7" / "mine").write_text("x")
    assert main(["init", str(tmp_path / "press-7")]) == 5
    assert "is not empty (mine)" in capsys.readouterr().err
    (tmp_path / "file").write_text("x")
    assert main(["init", str(tmp_path / "file")]) == 5
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "mine", "press-7"]


def test_an_empty_folder_becomes_the_project_and_stays_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "press-7"
    folder.mkdir()
    before = folder.stat().st_ino
    monkeypatch.chdir(folder)
    make(Path())
    assert folder.stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["press-7"]
    assert main(["test"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        ([], 2, "expected the NAME of a new folder"),
        (["a b"], 2, "'a b' is no name for a project"),
        (['x"y'], 2, "is no name for a project"),
        (["p", "--template", "vibrations"], 2, "did you mean 'vibration'?"),
        (["p", "--board", "jetsom"], 4, "unknown board 'jetsom'"),
        (["p", "--broker", "http://b"], 3, "--broker: url: expected a URL that begins with mqtt://"),
        (["p", "--broker", 'mqtt://b"'], 2, "--broker: "),
        (["p", "--broker", "mqtt://${env:B}"], 3, "--broker: "),
        (["p", "--host=-oProxyCommand=x"], 2, "--host: "),
        (["p", "--host", 'pi@"x'], 2, "--host: "),
    ],
)
def test_a_mistake_makes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    part: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", *words]) == code
    assert part in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_templates_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--list"]) == 0
    assert capsys.readouterr().out.startswith("vibration  ")
    assert main(["init", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"templates": init.TEMPLATES}
    assert set(init.TEMPLATES) == {path.name for path in Path(init.__file__).parents[1].joinpath("templates").iterdir()}


def test_a_new_project_runs_without_a_broker(tmp_path: Path) -> None:
    # Port 9 (discard) has no broker; results are given up at the end, and the command says so with code 7.
    project = make(tmp_path / "press-7", "--broker", "mqtt://127.0.0.1:9")
    command = [sys.executable, "-m", "edge_sdk.cli.main", "run", "pipeline.toml", "--max-results", "3", "--json"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(result["seq"], result["alarm"], result["gap"]) for result in results] == [
        (number, False, False) for number in range(3)
    ]
