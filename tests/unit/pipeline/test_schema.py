from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import inspect

from edge_sdk.pipeline.schema import json_schema
from edge_sdk.pipeline.steps import STEPS
from edge_sdk.publish import SINKS
from edge_sdk.sensors import SENSORS

ROWS = [(table, name) for table in (SENSORS, STEPS, SINKS) for name in table]


def branch(where: dict[str, Any], title: str) -> dict[str, Any]:
    (found,) = [one for one in where["oneOf"] if one["title"] == title]
    assert isinstance(found, dict)
    return found


def test_the_schema_is_json_and_has_a_branch_for_each_row() -> None:
    schema = json.loads(json.dumps(json_schema()))
    parts = schema["properties"]
    assert {one["title"] for one in parts["sources"]["additionalProperties"]["oneOf"]} == set(SENSORS)
    assert {one["title"] for one in parts["steps"]["items"]["oneOf"]} == set(STEPS)
    assert {one["title"] for one in parts["sinks"]["items"]["oneOf"]} == set(SINKS)


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    schema = json_schema()
    text = json.dumps(schema)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}:
        assert reference in schema["$defs"]


def test_options_are_described_and_required_ones_are_required() -> None:
    serial = branch(json_schema()["properties"]["sources"]["additionalProperties"], "serial")
    assert serial["required"] == ["type", "port", "rate_hz"]
    assert serial["properties"]["baud"]["minimum"] == 50
    assert serial["additionalProperties"] is False
    mqtt = branch(json_schema()["properties"]["sinks"]["items"], "mqtt")
    assert "${env:" in json.dumps(mqtt["properties"]["password"]).replace("\\", "")


@pytest.mark.parametrize(("table", "name"), ROWS, ids=[name for _, name in ROWS])
def test_every_option_of_every_row_has_a_description(table: Any, name: str) -> None:
    def undescribed(kind: Any) -> list[str]:
        found: list[str] = []
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        for field in info.fields:
            schema = (field.type.extra_json_schema or {}) if isinstance(field.type, inspect.Metadata) else {}
            if "description" not in schema:
                found.append(f"{kind.__name__}.{field.name}")
        return found

    assert undescribed(table.load(name).Options) == []
