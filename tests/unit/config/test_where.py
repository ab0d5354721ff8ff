from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.config import Where
from edge_sdk.errors import ConfigError


def test_a_place_is_written_as_file_and_key_path() -> None:
    where = Where(Path("p.toml"))
    assert str(where) == "p.toml"
    assert str(where.at("steps").at(1).at("size")) == "p.toml: steps[1].size"
    assert where.at("name").error("is wrong", hint="mend it").message == "p.toml: name: is wrong"


def test_paths_are_relative_to_the_file_they_stand_in() -> None:
    where = Where(Path("/etc/line/p.toml"), "steps[0].model")
    assert where.resolve("m.wasm") == Path("/etc/line/m.wasm")
    assert where.resolve("/opt/m.wasm") == Path("/opt/m.wasm")
    assert where.resolve("~/m.wasm") == Path.home() / "m.wasm"


def test_a_home_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"p\.toml: key: there is no home folder for '~nobody"):
        Where(Path("p.toml"), "key").resolve("~nobody-of-this-name/x")
