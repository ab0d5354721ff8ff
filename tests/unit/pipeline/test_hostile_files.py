"""Whatever a pipeline file or a recording says, the answer is a pipeline or one of our errors, quickly."""

from __future__ import annotations

import copy
import datetime
import io
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_sdk.errors import EdgeError
from edge_sdk.pipeline import build
from tests.unit.pipeline.fakes import loader, loud_model

GOOD: dict[str, Any] = {
    "name": "press-7",
    "device": "gw",
    "sources": {
        "a": {
            "type": "replay",
            "file": "x.npz",
            "rate_hz": 1000,
            "speed": 0,
            "loop": False,
            "array": "x",
            "columns": [0],
        },
        "b": {
            "type": "serial",
            "port": "/dev/not-there",
            "rate_hz": 12000,
            "baud": 921600,
            "frame": {"format": "<Hhh", "sync": "a55a", "crc": "crc16-ccitt", "seq": 0, "crc_order": "big"},
            "channels": [{"name": "x", "unit": "g", "scale": 0.5, "offset": 1}, {"name": "y"}],
        },
        "c": {"type": "serial", "port": "usb:0403:6001", "rate_hz": 1, "text": {"delimiter": ";", "columns": [1, 2]}},
    },
    "steps": [
        {"id": "win", "use": "window", "input": "a", "size": 8, "hop": 4, "on_gap": "mark"},
        {"id": "score", "use": "model", "input": "win", "model": "m.wasm", "labels": ["q", "l"], "deadline_ms": 8},
        {"id": "alarm", "use": "threshold", "input": "score", "on": 0.5, "off": 0.2, "k": 2, "n": 3, "labels": ["l"]},
        {"id": "wide", "use": "window", "input": "b", "size": 16},
    ],
    "sinks": [
        {"type": "stdout", "input": "alarm"},
        {
            "type": "mqtt",
            "input": "wide",
            "url": "mqtt://127.0.0.1:1",
            "topic": "a/{step}",
            "username": "me",
            "outbox": {"max_messages": 99, "when_full": "thin"},
        },
    ],
}

scalars = st.one_of(
    st.integers(-10, 10),
    st.sampled_from([0, -1, 1, 2**31, 2**63, -(2**63), 10**30]),
    st.floats(),
    st.booleans(),
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "x.npz",
            "..",
            "/",
            "\x00",
            "a" * 300,
            "${env:NO}",
            "usb:1:2",
            "<" + "9" * 40 + "d",
            "{",
            "mqtts://é",
            "~nobody-of-this-name/x.npz",
        ]
    ),
    st.just(datetime.date(2026, 1, 1)),
)
things = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [prefix, *(found for key, one in inner for found in paths(one, (*prefix, key)))]


def toml(value: Any) -> str:
    """Return the value as inline TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            escaped = "".join(one if one.isalnum() or one in " ./:;-_<>{}$" else f"\\U{ord(one):08x}" for one in value)
            return f'"{escaped}"'
        case dict():
            return "{" + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case datetime.date():
            return value.isoformat()
    return repr(value)


def write(folder: Path, table: dict[str, Any]) -> Path:
    np.savez(folder / "x.npz", x=np.zeros((40, 2)))
    path = folder / "p.toml"
    path.write_text("".join(f"{toml(key)} = {toml(value)}\n" for key, value in table.items()), errors="surrogatepass")
    return path


def test_the_file_that_is_damaged_below_is_good(tmp_path: Path) -> None:
    with build(write(tmp_path, GOOD), load=loader(loud_model())) as pipeline:
        assert len(pipeline.nodes) == 4


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_is_a_pipeline_or_our_error(tmp_path: Path, data: st.DataObject) -> None:
    table = copy.deepcopy(GOOD)
    *way, last = data.draw(st.sampled_from(paths(GOOD)[1:]))
    place: Any = table
    for key in way:
        place = place[key]
    action = data.draw(st.sampled_from(["replace", "delete", "rename"]))
    if action == "replace":
        place[last] = data.draw(things)
    elif action == "delete":
        del place[last]
    elif isinstance(place, dict):
        place[data.draw(st.text(max_size=6))] = place.pop(last)
    path = write(tmp_path, table)
    with suppress(EdgeError):
        build(path, load=loader(loud_model())).close()


def recording(kind: str) -> bytes:
    file = io.BytesIO()
    samples = np.arange(24, dtype=np.float32)
    match kind:
        case "npz":
            np.savez_compressed(file, x=samples)
        case "wav":
            with wave.open(file, "wb") as sound:
                sound.setparams((1, 2, 8000, 0, "NONE", ""))
                sound.writeframes(samples.astype("<i2").tobytes())
        case "csv":
            file.write(b"a,b\n" + b"\n".join(b"%d,2.5" % value for value in range(24)))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["csv", "npz", "wav"])
@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_to_a_recording_is_a_pipeline_or_our_error(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(recording(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    (tmp_path / f"r.{kind}").write_bytes(content)
    path = tmp_path / "p.toml"
    path.write_text(f'name = "p"\n[sources.a]\ntype = "replay"\nfile = "r.{kind}"\nrate_hz = 10\n')
    with suppress(EdgeError):
        build(path, load=loader(loud_model())).close()
