"""JSON Schema of a pipeline file, for editors: the outer shape, and a branch for each kind of part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from edge_sdk.config.health_rules import HealthRules
from edge_sdk.config.secret import Secret

_TEXT = {"type": "string", "minLength": 1}


def pipeline_schema(
    sensors: Mapping[str, type[Any]], steps: Mapping[str, type[Any]], sinks: Mapping[str, type[Any]]
) -> dict[str, Any]:
    """Return the schema.

    Args:
        sensors, steps, sinks: kind -> its `Options` struct.
    """
    structs = sorted({*sensors.values(), *steps.values(), *sinks.values()}, key=lambda kind: kind.__qualname__)
    names = {kind: f"{kind.__module__.rpartition('.')[2]}.{kind.__qualname__}" for kind in structs}
    definitions: dict[str, Any] = {}
    inlined: dict[type, dict[str, Any]] = {}
    for kind in structs:
        (reference,), components = msgspec.json.schema_components(
            [kind], schema_hook=_secret, ref_template="#/$defs/" + names[kind] + ".{name}"
        )
        inlined[kind] = components.pop(reference["$ref"].rpartition(".")[2])
        definitions |= {f"{names[kind]}.{name}": body for name, body in components.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "edge-sdk pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "sources"],
        "properties": {
            "name": {**_TEXT, "description": "name of the pipeline; part of topics"},
            "device": {**_TEXT, "description": "name of the device; default the host's name"},
            "sources": {"type": "object", "additionalProperties": _branches(sensors, inlined, "type", [])},
            "steps": {"type": "array", "items": _branches(steps, inlined, "use", ["id", "input"])},
            "sinks": {"type": "array", "items": _branches(sinks, inlined, "type", ["input"])},
            "health": _health(),
        },
        "$defs": definitions,
    }


def _health() -> dict[str, Any]:
    _, components = msgspec.json.schema_components([HealthRules])
    rules = components[HealthRules.__name__]
    return {
        "type": "object",
        "description": "when a new version may stay on a device",
        "properties": rules["properties"],
        "additionalProperties": False,
    }


def _branches(
    kinds: Mapping[str, type[Any]], inlined: Mapping[type, dict[str, Any]], selector: str, common: list[str]
) -> dict[str, Any]:
    branches = []
    for name, kind in sorted(kinds.items()):
        options = inlined[kind]
        own = {selector: {"const": name}, **dict.fromkeys(common, _TEXT)}
        branches.append(
            {
                "type": "object",
                "title": name,
                "properties": own | options.get("properties", {}),
                "required": [selector, *common, *options.get("required", [])],
                "additionalProperties": False,
            }
        )
    return {"oneOf": branches}


def _secret(kind: type) -> dict[str, Any]:
    if kind is Secret:
        return {"type": "string", "pattern": r"^\$\{env:[A-Za-z_][A-Za-z0-9_]*\}$"}
    raise NotImplementedError(kind)
