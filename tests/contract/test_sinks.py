"""What every row of SINKS keeps: each result arrives once, in order, as the same JSON; closing delivers what waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.config import Where, decode
from edge_sdk.errors import ConfigError
from edge_sdk.publish import SINKS
from edge_sdk.publish.base import Sink
from edge_sdk.publish.payload import encode
from edge_sdk.reading import Result
from tests.broker import Subscriber, mosquitto, until
from tests.contract.test_acting_sinks import WORLDS as ACTING

RESULT = Result(
    "gw", "press", "score", 0, 1.5, datetime(2026, 1, 1, tzinfo=timezone.utc), np.zeros(1, np.float32), "ok", 0.5,
    latency_s={"total": 0.001},
)  # fmt: skip
#: Options of the row, and a function that returns the payloads that arrived, once there are as many as expected.
World = tuple[dict[str, Any], Callable[[int], list[bytes]]]


def mqtt(folder: Path, capture: pytest.CaptureFixture[bytes]) -> Iterator[World]:
    with mosquitto(folder) as broker:
        client = Subscriber(broker.port, "edge/gw/press/score")

        def arrived(count: int) -> list[bytes]:
            until(lambda: len(client.messages) >= count, f"{count} messages")
            return [payload for _, payload, _ in client.messages]

        yield {"url": broker.url}, arrived
        client.close()


def stdout(folder: Path, capture: pytest.CaptureFixture[bytes]) -> Iterator[World]:
    yield {}, lambda count: capture.readouterr().out.splitlines()


def file(folder: Path, capture: pytest.CaptureFixture[bytes]) -> Iterator[World]:
    yield {"path": "r.ndjson"}, lambda count: (folder / "r.ndjson").read_bytes().splitlines()


WORLDS = {"file": file, "mqtt": mqtt, "stdout": stdout}


@pytest.fixture(params=sorted(WORLDS))
def world(
    request: pytest.FixtureRequest, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[tuple[str, World]]:
    for found in WORLDS[request.param](tmp_path, capfdbinary):
        yield request.param, found


def sink_of(name: str, options: dict[str, Any], folder: Path) -> Sink:
    where = Where(folder / "p.toml", "sinks[0]")
    kind = SINKS.load(name)
    found: Sink = kind(decode(options, kind.Options, where), where, "press", "gw")
    return found


def test_every_row_has_a_world_here() -> None:
    assert WORLDS.keys() | ACTING.keys() == set(SINKS)


def test_results_arrive_once_in_order_as_the_same_json(world: tuple[str, World], tmp_path: Path) -> None:
    name, (options, arrived) = world
    results = [replace(RESULT, seq=seq, alarm=seq % 2 == 1) for seq in range(100)]
    sink = sink_of(name, options, tmp_path)
    sink.open()
    for result in results:
        sink.publish(result)
    sink.close()
    payloads = arrived(100)
    found = [json.loads(payload) for payload in payloads]
    ids = [one.pop("id") for one in found if "id" in one]
    assert found == [json.loads(encode(result)) for result in results]
    assert ids == sorted(set(ids))
    assert [json.loads(payload)["alarm"] for payload in payloads[:2]] == [False, True]


def test_counts_and_state_are_for_people(world: tuple[str, World], tmp_path: Path) -> None:
    name, (options, arrived) = world
    sink = sink_of(name, options, tmp_path)
    sink.open()
    sink.publish(RESULT)
    sink.close()
    arrived(1)
    assert sink.counts()["delivered"] == 1
    assert sink.counts()["waiting"] == 0
    assert "\n" not in sink.state
    assert sink.state


def test_a_sink_that_was_never_opened_can_be_closed(world: tuple[str, World], tmp_path: Path) -> None:
    name, (options, _) = world
    sink_of(name, options, tmp_path).close()


def test_an_unknown_option_is_refused(world: tuple[str, World], tmp_path: Path) -> None:
    name, (options, _) = world
    with pytest.raises(ConfigError, match=r"sinks\[0\]\.colour: unknown key"):
        sink_of(name, {**options, "colour": "red"}, tmp_path)
