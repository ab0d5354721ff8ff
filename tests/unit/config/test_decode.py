from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from edge_sdk.config import FromEnvironment, Secret, Where, check_keys, decode
from edge_sdk.errors import ConfigError


class Inner(msgspec.Struct):
    format: str
    depth: Annotated[int, Meta(ge=1, le=8)] = 1


class Outer(msgspec.Struct):
    port: str
    baud: Annotated[int, Meta(ge=50)] = 9600
    frame: Inner | None = None
    frames: list[Inner] = []
    by_name: dict[str, Inner] = {}
    mode: Literal["a", "b"] = "a"
    password: Secret | None = None
    ratio: float = 1.0


WHERE = Where(Path("p.toml")).at("steps").at(1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "p.toml: steps[1].port: this key is missing"),
        ({"port": "x", "buad": 1}, "p.toml: steps[1].buad: unknown key; did you mean 'baud'?"),
        ({"port": "x", "zzz": 1}, "p.toml: steps[1].zzz: unknown key (known keys: baud, by_name"),
        ({"port": 3}, "p.toml: steps[1].port: expected a string, got an integer"),
        ({"port": "x", "baud": 9600.0}, "p.toml: steps[1].baud: expected an integer"),
        ({"port": "x", "baud": True}, "p.toml: steps[1].baud: expected an integer, got true or false"),
        ({"port": "x", "baud": 3}, "p.toml: steps[1].baud: expected an integer >= 50"),
        ({"port": "x", "frame": {"formt": "<h"}}, "p.toml: steps[1].frame.formt: unknown key; did you mean 'format'?"),
        (
            {"port": "x", "frame": {"format": "<h", "depth": 9}},
            "p.toml: steps[1].frame.depth: expected an integer <= 8",
        ),
        ({"port": "x", "frame": "no"}, "p.toml: steps[1].frame: expected a table, got a string"),
        ({"port": "x", "frames": [{"format": "a"}, {}]}, "p.toml: steps[1].frames[1].format: this key is missing"),
        (
            {"port": "x", "frames": [{"format": "a"}, {"format": 1}]},
            "p.toml: steps[1].frames[1].format: expected a str",
        ),
        ({"port": "x", "by_name": {"q": {"forma": 1}}}, "p.toml: steps[1].by_name.q.forma: unknown key; did you mean"),
        ({"port": "x", "mode": "c"}, "p.toml: steps[1].mode: invalid enum value 'c'"),
        ({"port": "x", "password": "plain"}, "p.toml: steps[1].password: a secret is not written into the file"),
        ([], "p.toml: steps[1]: expected a table, got an array"),
        ("text", "p.toml: steps[1]: expected a table, got a string"),
    ],
)
def test_each_mistake_is_named_with_its_key_and_expectation(table: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(table, Outer, WHERE)
    assert caught.value.message.startswith(message)


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        decode({"port": "x", "password": "hunter2"}, Outer, WHERE)
    assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_good_values_arrive_typed() -> None:
    found = decode({"port": "x", "ratio": 2, "password": FromEnvironment("s"), "frame": {"format": "<h"}}, Outer, WHERE)
    assert found == Outer(port="x", ratio=2.0, password=Secret("s"), frame=Inner("<h"))


def test_check_keys_returns_the_table() -> None:
    assert check_keys({"a": 1}, ["a", "b"], ["a"], WHERE) == {"a": 1}
