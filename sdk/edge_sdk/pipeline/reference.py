"""The reference of pipeline files in Markdown, made from the JSON Schema: a table for each kind of part.

python -m edge_sdk.pipeline.reference
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from edge_sdk.pipeline.schema import json_schema

#: Keys of every part, explained once in the page's text.
_COMMON = {"type", "use", "id", "input"}
_HEADER = "| key | value | default | meaning |\n|---|---|---|---|"


def reference() -> str:
    """Return the tables of all sources, steps and sinks, and of `[health]`."""
    schema = json_schema()
    parts = schema["properties"]
    groups = {
        "Sources": ("type", parts["sources"]["additionalProperties"]),
        "Steps": ("use", parts["steps"]["items"]),
        "Sinks": ("type", parts["sinks"]["items"]),
    }
    lines = []
    for heading, (selector, kinds) in groups.items():
        lines.append(f"## {heading}\n")
        for kind in kinds["oneOf"]:
            lines += [f'### `{selector} = "{kind["title"]}"`\n', _HEADER, *_rows(kind, schema["$defs"]), ""]
    lines += ["## Health\n", "### `[health]`\n", _HEADER, *_rows(parts["health"], schema["$defs"]), ""]
    return "\n".join(lines)


def _rows(table: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    required = set(table.get("required", ()))
    for key, value in table["properties"].items():
        if not prefix and key in _COMMON:
            continue
        inner = _inner(value, definitions)
        default = "required" if key in required else _default(value)
        yield f"| `{prefix}{key}` | {_kind(value, inner)} | {default} | {_cell(value.get('description', ''))} |"
        if inner is not None:
            yield from _rows(inner, definitions, f"{prefix}{key}.")


def _inner(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The table that a value refers to, directly, as an alternative or as an element."""
    for candidate in (value, *value.get("anyOf", ()), value.get("items") or {}):
        if "$ref" in candidate:
            found: Mapping[str, Any] = definitions[candidate["$ref"].rpartition("/")[2]]
            return found
    return None


def _kind(value: Mapping[str, Any], inner: Mapping[str, Any] | None) -> str:
    if inner is not None:
        return "tables" if value.get("type") == "array" else "table"
    choices = [c for c in value.get("anyOf", [value]) if c.get("type") != "null"]
    return " or ".join(dict.fromkeys(_scalar(choice) for choice in choices))


def _scalar(value: Mapping[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{json.dumps(one)}`" for one in value["enum"])
    if value.get("type") == "array":
        return f"list of {_scalar(value['items'])}"
    return str(value.get("type", "value"))


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    return "" if default in (None, [], "") or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
