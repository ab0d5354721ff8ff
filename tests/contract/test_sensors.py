"""What every row of SENSORS keeps: a known shape before it is opened, float32 rows, times, clear refusals, closing."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_sdk.config import Where, decode
from edge_sdk.errors import ConfigError, EdgeError
from edge_sdk.reading import Reading
from edge_sdk.sensors import SENSORS
from edge_sdk.sensors.base import Source

#: row -> options that work, and how to make the world deliver two rows of two channels.
Feed = Callable[[], None]


def replay(folder: Path) -> Iterator[tuple[dict[str, Any], Feed]]:
    np.savez(folder / "x.npz", x=np.array([[1.0, 2.0], [3.0, 4.0]]))
    yield {"file": "x.npz", "rate_hz": 100, "speed": 0}, lambda: None


def serial(folder: Path) -> Iterator[tuple[dict[str, Any], Feed]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    options = {"port": os.ttyname(slave), "rate_hz": 100, "frame": {"format": "<bb", "sync": "a5"}}
    yield options, lambda: suppress_none(os.write(master, bytes.fromhex("a50102a50304a5")))
    for end in (master, slave):
        with suppress(OSError):
            os.close(end)


def suppress_none(value: object) -> None:
    """Make an expression a statement."""


WORLDS = {"replay": replay, "serial": serial}


@pytest.fixture(params=sorted(SENSORS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, Any], Feed]]:
    for options, feed in WORLDS[request.param](tmp_path):
        yield request.param, options, feed


def source_of(name: str, options: dict[str, Any], folder: Path) -> Source:
    where = Where(folder / "p.toml", "sources.s")
    kind = SENSORS.load(name)
    found: Source = kind(decode(options, kind.Options, where), where, "s")
    return found


def read_rows(source: Source, rows: int) -> list[Reading]:
    readings: list[Reading] = []
    for _ in range(200):
        if sum(len(reading.samples) for reading in readings) >= rows or source.ended:
            break
        reading = source.read(0.05)
        readings += [reading] if reading is not None else []
    return readings


def test_every_row_has_a_world_here() -> None:
    assert set(WORLDS) == set(SENSORS)


def test_samples_are_rows_of_float32_as_the_spec_said_before_opening(
    world: tuple[str, dict[str, Any], Feed], tmp_path: Path
) -> None:
    name, options, feed = world
    source = source_of(name, options, tmp_path)
    spec = source.output
    assert (spec.kind, spec.shape, spec.rate_hz, spec.source_rate_hz) == ("samples", (0, 2), 100, 100)
    assert len(spec.channels) == 2
    source.open()
    feed()
    readings = read_rows(source, 2)
    source.close()
    samples = np.concatenate([reading.samples for reading in readings])
    assert samples.dtype == np.float32
    assert samples.tolist() == [[1, 2], [3, 4]]
    for reading in readings:
        assert (reading.source, reading.rate_hz, reading.gap) == ("s", 100, False)
        assert reading.utc.utcoffset() is not None
        assert len(reading.units) == 2


def test_channels_scale_and_name(world: tuple[str, dict[str, Any], Feed], tmp_path: Path) -> None:
    name, options, feed = world
    channels = [{"name": "x", "unit": "g", "scale": 10}, {"name": "y", "offset": 0.5}]
    source = source_of(name, {**options, "channels": channels}, tmp_path)
    source.open()
    feed()
    (first, *_) = readings = read_rows(source, 2)
    source.close()
    assert source.output.channels == ("x", "y")
    assert first.units == ("g", "")
    assert np.concatenate([reading.samples for reading in readings]).tolist() == [[10, 2.5], [30, 4.5]]


def test_closing_twice_or_before_opening_is_harmless(world: tuple[str, dict[str, Any], Feed], tmp_path: Path) -> None:
    name, options, _ = world
    source = source_of(name, options, tmp_path)
    source.close()
    source.open()
    source.close()
    source.close()


def test_a_misspelt_option_is_answered_with_the_nearest(
    world: tuple[str, dict[str, Any], Feed], tmp_path: Path
) -> None:
    name, options, _ = world
    wrong = {**{key: value for key, value in options.items() if key != "rate_hz"}, "rate_hx": 100}
    with pytest.raises(ConfigError, match=r"sources\.s\.rate_hx: unknown key; did you mean 'rate_hz'"):
        source_of(name, wrong, tmp_path)


def test_a_source_that_is_not_there_is_our_error_with_its_name(
    world: tuple[str, dict[str, Any], Feed], tmp_path: Path
) -> None:
    name, options, _ = world
    key = {"replay": "file", "serial": "port"}[name]
    with pytest.raises(EdgeError, match="not-there") as caught:
        source_of(name, {**options, key: "/not-there.npz"}, tmp_path).open()
    assert caught.value.exit_code == 4


def test_counts_are_numbers_by_name(world: tuple[str, dict[str, Any], Feed], tmp_path: Path) -> None:
    name, options, _ = world
    source = source_of(name, options, tmp_path)
    assert all(isinstance(key, str) and isinstance(value, int) for key, value in source.counts().items())
    assert isinstance(source.live, bool)
    assert issubclass(SENSORS.load(name).Options, msgspec.Struct)
