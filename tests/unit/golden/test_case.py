from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.errors import ConfigError
from edge_sdk.golden import read_case

HEAD = 'name = "n"\npipeline = "../p.toml"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_test_and_a_text_stands_for_its_recording(tmp_path: Path) -> None:
    text = HEAD + '[replay]\na = "x.npz"\nb = { file = "y.csv", columns = [1] }\n[expect]\ngolden = "g.ndjson"\n'
    case = read_case(write(tmp_path, text))
    assert case.pipeline == tmp_path / "../p.toml"
    assert case.golden == tmp_path / "g.ndjson"
    assert case.replay == {"a": {"file": "x.npz"}, "b": {"file": "y.csv", "columns": [1]}}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (HEAD, "expect: this key is missing"),
        (HEAD + "[expect]\n", "expect: expected at least one of alarms"),
        (HEAD + "[expect]\ntolerance = 0.1\n", "expect: expected at least one of alarms"),
        (HEAD + "[expect]\nalarm = 1\n", "expect.alarm: unknown key; did you mean 'alarms'?"),
        (HEAD + "[expect]\nalarms = -1\n", "expect.alarms: expected"),
        (HEAD + "[expect]\nalarms = { at_lest = 1 }\n", "did you mean 'at_least'?"),
        (HEAD + "[expect]\nalarms = 1\ntolerance = -1\n", "expect.tolerance: expected"),
        (HEAD + "max_results = 0\n[expect]\nalarms = 1\n", "max_results: expected"),
        (
            HEAD + "[expect]\nalarms = 1\n[replay]\na = { file = 'x.npz', loop = true }\n",
            "replay.a.loop: a golden test",
        ),
        (HEAD + "[expect]\nalarms = 1\n[replay]\na = { rate_hz = 1 }\n", "replay.a.file: expected the name"),
        ('name = "p"\n[sources.a]\ntype = "replay"\n', "is a pipeline, expected a golden test"),
    ],
)
def test_each_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, part: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_case(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert part in caught.value.message
