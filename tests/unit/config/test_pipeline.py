from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.config.pipeline import read_pipeline
from edge_sdk.errors import ConfigError

HEAD = 'name = "n"\n[sources.a]\ntype = "replay"\nfile = "x.csv"\n'


def step(name: str, source: str, use: str = "window") -> str:
    return f'[[steps]]\nid = "{name}"\nuse = "{use}"\ninput = "{source}"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "p.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name: this key is missing"),
        ('name = "n"\n', "sources: this key is missing"),
        ('name = "n"\nsources = {}\n', "sources: expected at least one source"),
        ('name = "n"\nsource = 1\n', "source: unknown key; did you mean 'sources'?"),
        ('name = "a/b"\n[sources.a]\ntype = "x"\n', "name: expected 1 to 64 letters"),
        ('name = "a+"\n[sources.a]\ntype = "x"\n', "name: expected 1 to 64 letters"),
        (HEAD.replace('"n"', "3"), "name: expected a string, got an integer"),
        (
            'name = "n"\n[sources.a]\ntipe = "replay"\n',
            "sources.a.type: this key is missing; is 'tipe' meant to be it?",
        ),
        ('name = "n"\n[sources.a]\ntype = 3\n', "sources.a.type: expected a string, got an integer"),
        ('name = "n"\n[sources]\na = 3\n', "sources.a: expected a table, got an integer"),
        (HEAD + '[steps]\nid = "x"\n', "steps: expected an array of tables; write [[steps]] with two brackets"),
        (
            HEAD + '[[steps]]\nid = "w"\nuse = "window"\ninptu = "a"\n',
            "steps[0].input: this key is missing; is 'inptu'",
        ),
        (HEAD + step("w", "b"), "steps[0].input: there is no source or step 'b'"),
        (
            HEAD + step("win", "a") + step("f", "wni"),
            "steps[1].input: there is no source or step 'wni'; did you mean 'win'?",
        ),
        (HEAD + step("w", "a") + step("w", "a"), "steps[1].id: 'w' is already the id of steps[0]"),
        (HEAD + step("a", "a"), "steps[0].id: 'a' is already the id of sources.a"),
        (HEAD + step("x", "y") + step("y", "x"), "steps[0].input: these steps wait for each other in a circle: x -> y"),
        (HEAD + step("x", "x"), "steps[0].input: these steps wait for each other in a circle: x"),
        (
            HEAD + '[[sinks]]\ntype = "stdout"\ninput = "a"\n',
            "sinks[0].input: 'a' is a source; a sink listens to a step",
        ),
        (HEAD + '[[sinks]]\ntype = "stdout"\n', "sinks[0].input: this key is missing"),
        (HEAD + step("w w", "a"), "steps[0].id: expected 1 to 64 letters"),
    ],
)
def test_each_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_pipeline(path)
    assert caught.value.message.startswith(f"{path}: {message}")


def test_steps_come_after_their_inputs_whatever_the_order_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + step("c", "b") + step("b", "w") + step("w", "a"))
    assert [part.id for part in read_pipeline(path).steps] == ["w", "b", "c"]


def test_options_keep_their_place_and_lose_the_common_keys(tmp_path: Path) -> None:
    found = read_pipeline(write(tmp_path, HEAD + step("w", "a") + "size = 4\n"))
    assert dict(found.steps[0].options) == {"size": 4}
    assert str(found.steps[0].where.at("size")).endswith("p.toml: steps[0].size")
    assert dict(found.sources[0].options) == {"file": "x.csv"}


def test_the_device_defaults_to_a_name_that_fits_a_topic(tmp_path: Path) -> None:
    found = read_pipeline(write(tmp_path, HEAD))
    assert found.device
    assert not set(found.device) & set("/+#")
