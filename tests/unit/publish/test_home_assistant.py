"""What Home Assistant is told, against what its documentation allows.

The allowed keys are those of the pages "MQTT" (device discovery payload), "MQTT Sensor" and "MQTT Binary sensor" of
home-assistant.io, as of Home Assistant 2026.9; only the names and rules are taken over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from edge_sdk.config import Where, decode
from edge_sdk.publish import mqtt_courier
from edge_sdk.publish.home_assistant import HomeAssistantOptions, Topics, config_topic, discovery
from edge_sdk.publish.mqtt import MqttSink
from edge_sdk.reading import Result
from tests.broker import Mosquitto, Subscriber, mosquitto, until

RESULT = Result(
    "gw.3",
    "press-7",
    "alarm",
    0,
    1.0,
    datetime(2026, 1, 1, tzinfo=timezone.utc),
    np.zeros(1, np.float32),
    label="healthy",
    score=0.25,
    latency_s={"total": 0.0},
)
TOPICS = Topics("edge/gw.3/press-7/alarm", "edge/gw.3/press-7/status", "edge/gw.3/press-7/delivery")
CONFIG = "homeassistant/device/edge-gw_3-press-7/config"

DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version", "hw_version", "serial_number", "via_device"}
ORIGIN = {"name", "sw_version", "support_url"}
SHARED = {
    "availability_topic",
    "components",
    "device",
    "origin",
    "payload_available",
    "payload_not_available",
    "qos",
    "state_topic",
}
EVERY_ENTITY = {
    "device_class",
    "entity_category",
    "expire_after",
    "name",
    "platform",
    "state_topic",
    "unique_id",
    "value_template",
}
ENTITY = {"sensor": EVERY_ENTITY | {"state_class", "unit_of_measurement"}, "binary_sensor": EVERY_ENTITY}
STATE_CLASSES = {"measurement", "measurement_angle", "total", "total_increasing"}


def complaints(table: dict[str, Any]) -> Iterator[str]:
    """What Home Assistant would refuse."""
    yield from (f"unknown {key}" for key in table.keys() - SHARED)
    yield from (f"no {key}" for key in {"device", "origin", "components"} - table.keys())
    yield from (f"device: unknown {key}" for key in table["device"].keys() - DEVICE)
    yield from (f"origin: unknown {key}" for key in table["origin"].keys() - ORIGIN)
    if not table["origin"].get("name"):
        yield "origin has no name"
    for key, entity in table["components"].items():
        if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
            yield f"{key}: not an id"
        yield from (f"{key}: unknown {name}" for name in entity.keys() - ENTITY[entity["platform"]])
        yield from (f"{key}: no {name}" for name in {"unique_id", "state_topic"} - entity.keys())
        if entity.get("state_class", "measurement") not in STATE_CLASSES:
            yield f"{key}: unknown state class"
    ids = [entity["unique_id"] for entity in table["components"].values()]
    if len(set(ids)) < len(ids):
        yield "unique_id is not unique"


@pytest.mark.parametrize(
    "options", [HomeAssistantOptions(), HomeAssistantOptions(name="Press 7", expire_after_s=60)], ids=["plain", "all"]
)
@pytest.mark.parametrize("change", [{}, {"score": None, "label": ""}, {"step": "a.b"}], ids=str)
def test_the_description_is_what_the_documentation_allows(
    options: HomeAssistantOptions, change: dict[str, Any]
) -> None:
    table = json.loads(discovery(options, TOPICS, replace(RESULT, **change)))
    assert list(complaints(table)) == []


def test_the_description_in_full() -> None:
    table = json.loads(discovery(HomeAssistantOptions(), TOPICS, RESULT))
    table["device"].pop("sw_version")
    table["origin"].pop("sw_version")
    golden = Path(__file__).with_name("home_assistant.json")
    assert table == json.loads(golden.read_text())


def test_entities_are_what_a_result_has() -> None:
    silent = replace(RESULT, score=None, label="")
    table = json.loads(discovery(HomeAssistantOptions(), replace_report(""), silent))
    assert list(table["components"]) == ["alarm-alarm"]


def replace_report(report: str) -> Topics:
    return Topics(TOPICS.result, TOPICS.status, report)


def test_ids_in_the_topic_are_plain() -> None:
    assert config_topic(HomeAssistantOptions(), "gw.3", "press-7") == CONFIG


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


def opened(folder: Path, broker: Mosquitto, **home: Any) -> MqttSink:
    where = Where(folder / "p.toml", "sinks[0]")
    sink = MqttSink(
        decode({"url": broker.url, "home_assistant": home}, MqttSink.Options, where), where, "press-7", "gw.3"
    )
    sink.open()
    return sink


def retained(broker: Mosquitto) -> list[bytes]:
    """Return what a new subscriber finds; a marker tells that nothing more comes."""
    late = Subscriber(broker.port)
    marker = f"marker/{uuid4()}"
    late._client.publish(marker, b"", qos=1)
    until(lambda: any(topic == marker for topic, _, _ in late.messages), "the marker")
    late.close()
    return late.payloads(CONFIG)


def test_entities_appear_with_the_first_result_and_go_with_the_pipeline(tmp_path: Path, broker: Mosquitto) -> None:
    watcher = Subscriber(broker.port, CONFIG)
    sink = opened(tmp_path, broker)
    until(lambda: sink.state.startswith("connected"), "the connection")
    assert watcher.payloads(CONFIG) == []
    sink.publish(RESULT)
    until(lambda: watcher.payloads(CONFIG), "the description")
    assert list(complaints(json.loads(watcher.payloads(CONFIG)[0]))) == []
    sink.publish(RESULT)
    sink.close()
    until(lambda: watcher.payloads(CONFIG)[-1] == b"", "the removal")
    assert len(watcher.payloads(CONFIG)) == 2
    watcher.close()
    assert retained(broker) == []


def test_entities_may_stay_known(tmp_path: Path, broker: Mosquitto) -> None:
    sink = opened(tmp_path, broker, keep=True)
    sink.publish(RESULT)
    until(lambda: sink.counts()["delivered"] == 1, "the result")
    sink.close()
    until(lambda: retained(broker), "the description")


def test_home_assistant_is_told_again_when_it_starts(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_courier, "BIRTH_JITTER_S", 0.05)
    watcher = Subscriber(broker.port, CONFIG)
    sink = opened(tmp_path, broker)
    sink.publish(RESULT)
    until(lambda: len(watcher.payloads(CONFIG)) == 1, "the description")
    watcher._client.publish("homeassistant/status", b"offline", qos=1)
    watcher._client.publish("homeassistant/status", b"online", qos=1)
    until(lambda: len(watcher.payloads(CONFIG)) == 2, "the description again")
    sink.close()
    watcher.close()


def test_entities_come_back_after_a_broker_that_forgets(tmp_path: Path, broker: Mosquitto) -> None:
    sink = opened(tmp_path, broker)
    sink.publish(RESULT)
    until(lambda: sink.counts()["delivered"] == 1, "the result")
    broker.stop(kill=True)
    broker.start()
    until(lambda: retained(broker), "the description")
    sink.close()
