from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.config import read_toml
from edge_sdk.config.as_written import AsWritten, stand_in, variables_in
from edge_sdk.config.pipeline import read_pipeline
from edge_sdk.errors import ConfigError


def test_what_is_not_set_stays_and_what_is_set_is_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('a = "${env:A}/${env:B}"\nb = [{ c = "x${env:C}" }, 3]\n')
    table = read_toml(path, AsWritten({"A": "1"}))
    assert table["a"] == "1/${env:B}"
    assert variables_in(table) == {"B", "C"}
    assert stand_in(table["a"]) == "1/B"


def test_names_that_only_the_device_knows_need_no_value_here(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('name = "${env:LINE}"\ndevice = "${env:DEVICE}"\n[sources.a]\ntype = "replay"\n')
    found = read_pipeline(path, AsWritten())
    assert (found.name, found.device) == ("LINE", "DEVICE")


def test_a_name_that_is_known_here_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('name = "${env:LINE}"\n[sources.a]\ntype = "replay"\n')
    with pytest.raises(ConfigError, match="expected 1 to 64 letters"):
        read_pipeline(path, AsWritten({"LINE": "a/b"}))
    with pytest.raises(ConfigError, match="expected 1 to 64 letters"):
        read_pipeline(path, {"LINE": "${env:LINE}"})
