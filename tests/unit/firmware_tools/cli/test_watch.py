"""`edge-sdk run --host`: what it refuses before it reaches anybody, and how a project is built for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.cli.main import main
from edge_sdk.errors import ConfigError
from firmware_tools.bundle.workshop import Workshop
from firmware_tools.cli.watch import Edited
from tests.unit.firmware_tools.bundles import new_keys

GOOD = 'name = "{name}"\n[sources.a]\ntype = "replay"\nfile = "a.csv"\nrate_hz = 10\n'
STEP = '[[steps]]\nid = "w"\nuse = "window"\ninput = "a"\nsize = 2\nhop = 1\n'


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("1\n2\n")
    path = tmp_path / "pipeline.toml"
    path.write_text(GOOD.format(name="app") + STEP)
    return path


def edited(pipeline: Path) -> Edited:
    folder = pipeline.parent
    workshop = Workshop(folder, lambda *_, **__: None)
    return Edited(pipeline, "app", "1.2.3", "", None, new_keys(folder, "me"), workshop)


def test_a_project_becomes_a_bundle_that_nobody_wrote(pipeline: Path) -> None:
    before = sorted(pipeline.parent.iterdir())
    project = edited(pipeline)
    with project.build(77) as bundle:
        manifest = bundle.manifest
    assert (manifest.name, manifest.version, manifest.counter) == ("app", "1.2.3", 77)
    assert {entry.path for entry in manifest.files} >= {"pipeline.toml", "captures/a.csv"}
    assert [one.name for one in project.files()] == ["pipeline.toml", "a.csv"]
    assert [path for path in sorted(pipeline.parent.iterdir()) if path not in before and path.suffix != ".pem"] == [
        pipeline.parent / "me.pub"
    ]


def test_another_name_is_another_application(pipeline: Path) -> None:
    project = edited(pipeline)
    pipeline.write_text(GOOD.format(name="other") + STEP)
    with pytest.raises(ConfigError, match="was 'app' and is 'other' now"):
        project.build(1)


@pytest.mark.parametrize(
    ("text", "arguments", "code", "words"),
    [
        ("no TOML [", ["--host", "h", "--watch"], 3, "pipeline.toml: "),
        (GOOD.format(name="app") + STEP, ["--host", "-oProxyCommand=x", "--watch"], 2, "expected a configured name"),
        (GOOD.format(name="app") + STEP, ["--host", "h", "--key", "none.pem"], 4, "none.pem: no such file"),
    ],
)
def test_what_is_wrong_here_is_said_before_anybody_is_reached(
    pipeline: Path, capsys: pytest.CaptureFixture[str], text: str, arguments: list[str], code: int, words: str
) -> None:
    pipeline.write_text(text)
    arguments = [word.replace("--host", "--host=") if word == "--host" else word for word in arguments]
    joined = [f"{arguments[0]}{arguments[1]}", *arguments[2:]]
    assert main(["run", "pipeline.toml", *joined]) == code
    assert words in capsys.readouterr().err
