from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.config.health_rules import HealthRules
from edge_sdk.config.pipeline import read_pipeline
from edge_sdk.errors import ConfigError

HEAD = 'name = "n"\n[sources.accel]\ntype = "replay"\n[sources.camera]\ntype = "replay"\n'


def rules_of(folder: Path, table: str) -> HealthRules:
    path = folder / "p.toml"
    path.write_text(HEAD + table)
    return read_pipeline(path).health


def test_without_a_table_the_defaults_hold(tmp_path: Path) -> None:
    assert rules_of(tmp_path, "") == HealthRules()
    assert rules_of(tmp_path, "[health]\n") == HealthRules()


def test_every_key_is_read(tmp_path: Path) -> None:
    table = '[health]\ngate_s = 120\nhold_s = 0\nlatency_p99_ms = 50\noptional_sources = ["camera"]\noffline = false\n'
    found = rules_of(tmp_path, table)
    assert (found.gate_s, found.hold_s, found.latency_p99_ms) == (120, 0, 50)
    assert (found.optional_sources, found.offline) == (("camera",), False)


def test_a_short_gate_shortens_what_nobody_wrote(tmp_path: Path) -> None:
    assert rules_of(tmp_path, "[health]\ngate_s = 4\n").hold_s == 4


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("health = 3\n" + HEAD.partition("\n")[2], "health: expected a table, got an integer"),
        ("[health]\ngate = 3\n", "health.gate: unknown key; did you mean 'gate_s'?"),
        ("[health]\ngate_s = 0\n", "health.gate_s: expected an integer >= 1"),
        ("[health]\ngate_s = 3601\n", "health.gate_s: expected an integer <= 3600"),
        ("[health]\ngate_s = 1.5\n", "health.gate_s: expected an integer, got a number"),
        ("[health]\ngate_s = 5\nhold_s = 6\n", "health.hold_s: expected at most gate_s (5), got 6"),
        ("[health]\nhold_s = -1\n", "health.hold_s: expected an integer >= 0"),
        ("[health]\nlatency_p99_ms = -1\n", "health.latency_p99_ms: expected an integer >= 0"),
        ('[health]\noffline = "no"\n', "health.offline: expected true or false, got a string"),
        ('[health]\noptional_sources = "camera"\n', "health.optional_sources: expected an array, got a string"),
        (
            '[health]\noptional_sources = ["accel", "camrea"]\n',
            "health.optional_sources[1]: there is no source 'camrea'; did you mean 'camera'? (known: accel, camera)",
        ),
    ],
)
def test_each_mistake_is_named_with_file_and_key(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f'name = "n"\n{table}' if table.startswith("health") else HEAD + table)
    with pytest.raises(ConfigError) as caught:
        read_pipeline(path)
    assert caught.value.message.startswith(f"{path}: {message}")
