"""Home Assistant finds a pipeline by itself: one retained message describes its device and entities.

    {prefix}/device/{id}/config   {"device": ..., "origin": ..., "components": {"score": ..., "alarm": ...}, ...}
    {prefix}/status               "online" when Home Assistant starts: then it is told again

Device discovery, Home Assistant 2024.11 and newer (home-assistant.io, MQTT, "Device discovery payload"). An empty
message on the same topic removes the device. Results that waited for their broker do not change the state, which is of
now.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge_sdk.reading import Result

#: Of a result that waited, the state stays what it is; binary sensors have it in small letters.
_LIVE = "{{% if value_json.historical is defined %}}{{{{ this.state{} }}}}{{% else %}}{{{{ {} }}}}{{% endif %}}"


class HomeAssistantOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Discovery by Home Assistant."""

    prefix: Annotated[
        str, Meta(min_length=1, pattern=r"^[^+#]+$", description="discovery prefix of Home Assistant")
    ] = "homeassistant"
    name: Annotated[str, Meta(description="of the device as people see it; default {name}")] = ""
    keep: Annotated[bool, Meta(description="stay known, as unavailable, after the pipeline has stopped")] = False
    expire_after_s: Annotated[
        int, Meta(ge=0, le=10**7, description="the state is unknown after so long without a result; 0: never")
    ] = 0


@dataclass(frozen=True)
class Topics:
    """Where the pipeline publishes; `report` is "" where it does not."""

    result: str
    status: str
    report: str


def config_topic(options: HomeAssistantOptions, device: str, pipeline: str) -> str:
    """Return where the description goes; ids have letters, digits, `_` and `-` only."""
    return f"{options.prefix}/device/{_plain(f'edge-{device}-{pipeline}')}/config"


def birth_topic(options: HomeAssistantOptions) -> str:
    """Return where Home Assistant says that it has started."""
    return f"{options.prefix}/status"


def discovery(options: HomeAssistantOptions, topics: Topics, first: Result) -> bytes:
    """Return the description of a pipeline's device.

    Args:
        first: a result of the pipeline; what it has becomes an entity.
    """
    unique = f"edge-{first.device}-{first.pipeline}"
    name = options.name or first.pipeline
    table: dict[str, Any] = {
        "device": {"identifiers": [unique], "name": name, "manufacturer": "edge-sdk", "sw_version": _version()},
        "origin": {"name": "edge-sdk", "sw_version": _version()},
        "availability_topic": topics.status,
        "payload_available": "online",
        "payload_not_available": "offline",
        "qos": 1,
        "components": _components(options, topics, first, unique),
    }
    return msgspec.json.encode(table)


def _components(options: HomeAssistantOptions, topics: Topics, first: Result, unique: str) -> dict[str, dict[str, Any]]:
    step = _plain(first.step)
    of_result: dict[str, Any] = {"state_topic": topics.result}
    if options.expire_after_s:
        of_result["expire_after"] = options.expire_after_s
    found: dict[str, dict[str, Any]] = {}

    def add(key: str, platform: str, name: str, **more: Any) -> None:
        found[key] = {"platform": platform, "unique_id": f"{unique}-{key}", "name": name, **more}

    if first.score is not None:
        score = _LIVE.format("", "value_json.score")
        add(f"{step}-score", "sensor", "Score", state_class="measurement", value_template=score, **of_result)
    if first.label:
        add(f"{step}-label", "sensor", "Label", value_template=_LIVE.format("", "value_json.label"), **of_result)
    alarm = _LIVE.format(" | upper", "'ON' if value_json.alarm else 'OFF'")
    add(f"{step}-alarm", "binary_sensor", "Alarm", device_class="problem", value_template=alarm, **of_result)
    if topics.report:
        of_report = {"state_topic": topics.report, "entity_category": "diagnostic"}
        for key, title in (("waiting", "Results waiting"), ("lost_no_room", "Results lost")):
            template = f"{{{{ value_json.{key} }}}}"
            add(key, "sensor", title, state_class="measurement", value_template=template, **of_report)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _version() -> str:
    try:
        return version("edge-sdk")
    except PackageNotFoundError:
        return "0"
