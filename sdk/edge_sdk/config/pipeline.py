"""The outer shape of a pipeline file: names, sources, steps, sinks, who listens to whom, and when it is healthy.

What belongs to one kind of sensor, step or sink (its options) stays a plain table here, with its place in the file;
the plug-in's own `Options` struct decodes it later. This module sees that the parts form a graph: ids are unique, each
input exists, nothing goes round in a circle.

    name = "press-7"                          [[steps]]            [[sinks]]
    [sources.accel]                           id = "win"           type = "stdout"
    type = "serial"                           use = "window"       input = "win"
    ...options                                input = "accel"
                                              ...options
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edge_sdk.config.as_written import AsWritten, stand_in, variables_in
from edge_sdk.config.decode import check_keys, decode
from edge_sdk.config.health_rules import HealthRules, health_rules
from edge_sdk.config.toml_file import read_toml
from edge_sdk.config.where import Where
from edge_sdk.registry import nearest

MAX_PARTS = 256
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID_RULE = "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
#: The keys that belong to the pipeline; all others are the plug-in's options.
_SOURCE_KEYS, _STEP_KEYS, _SINK_KEYS = ("type",), ("id", "use", "input"), ("type", "input")


@dataclass(frozen=True)
class Part:
    """One source, step or sink.

    Attributes:
        id: of a source or step; sinks are called "sinks[0]".
        kind: the row of SENSORS, STEPS or SINKS.
        input: the id it listens to; "" for sources.
        options: the keys that belong to the kind, not yet decoded.
        where: its place in the file.
    """

    id: str
    kind: str
    input: str
    options: Mapping[str, Any]
    where: Where


@dataclass(frozen=True)
class PipelineFile:
    """A pipeline as written; `steps` are sorted so that each comes after its input."""

    file: Path
    name: str
    device: str
    sources: tuple[Part, ...]
    steps: tuple[Part, ...]
    sinks: tuple[Part, ...]
    health: HealthRules


def read_pipeline(path: Path, environment: Mapping[str, str] | None = None) -> PipelineFile:
    """Read the outer shape of a pipeline file.

    Args:
        environment: for `${env:NAME}`; default the process's own. With an `AsWritten`, a name or device that only the
            other machine knows is called like its variable.

    Raises:
        ConfigError, TargetNotFoundError, AccessDeniedError: the message starts with the file and the key.
    """
    table, where = read_toml(path, environment), Where(path)
    check_keys(table, ["device", "health", "name", "sinks", "sources", "steps"], ["name", "sources"], where)
    open_names = isinstance(environment, AsWritten)
    name = _name(table["name"], where.at("name"), open_names)
    device = _name(table["device"], where.at("device"), open_names) if table.get("device", "") != "" else _hostname()
    sources = _sources(table["sources"], where.at("sources"))
    steps = _steps(table.get("steps", []), where.at("steps"))
    sinks = _sinks(table.get("sinks", []), where.at("sinks"))
    _check_ids(sources, steps)
    _check_inputs(sources, steps, sinks)
    return PipelineFile(
        path,
        name,
        device,
        sources,
        _sorted(steps, {part.id for part in sources}),
        sinks,
        health_rules(table.get("health", {}), where.at("health"), {part.id for part in sources}),
    )


def _sources(table: object, where: Where) -> tuple[Part, ...]:
    rows = decode(table, dict[str, dict[str, Any]], where)
    if not rows:
        raise where.error("expected at least one source, such as [sources.accel]")
    return tuple(
        _part(row, _identifier(name, where.at(name)), _SOURCE_KEYS, where.at(name)) for name, row in rows.items()
    )


def _steps(rows: object, where: Where) -> tuple[Part, ...]:
    parts = []
    for index, row in enumerate(_array(rows, "[[steps]]", where)):
        place = where.at(index)
        _require(row, _STEP_KEYS, place)
        name = _identifier(decode(row["id"], str, place.at("id")), place.at("id"))
        parts.append(_part(row, name, _STEP_KEYS, place))
    return tuple(parts)


def _sinks(rows: object, where: Where) -> tuple[Part, ...]:
    sinks = _array(rows, "[[sinks]]", where)
    return tuple(_part(row, f"sinks[{index}]", _SINK_KEYS, where.at(index)) for index, row in enumerate(sinks))


def _array(rows: object, heading: str, where: Where) -> list[dict[str, Any]]:
    if isinstance(rows, dict):
        raise where.error(f"expected an array of tables; write {heading} with two brackets")
    tables = decode(rows, list[dict[str, Any]], where)
    if len(tables) > MAX_PARTS:
        raise where.error(f"expected at most {MAX_PARTS} entries, got {len(tables)}")
    return tables


def _part(row: Mapping[str, Any], name: str, keys: tuple[str, ...], where: Where) -> Part:
    _require(row, keys, where)
    texts = {key: decode(row[key], str, where.at(key)) for key in keys}
    options = {key: value for key, value in row.items() if key not in keys}
    return Part(name, texts.get("type") or texts.get("use", ""), texts.get("input", ""), options, where)


def _require(row: Mapping[str, Any], keys: tuple[str, ...], where: Where) -> None:
    for key in keys:
        if key not in row:
            close = get_close_matches(key, [name for name in row if name not in keys], n=1)
            raise where.at(key).error(f"this key is missing{f'; is {close[0]!r} meant to be it?' if close else ''}")


def _name(value: object, where: Where, open_names: bool) -> str:
    text = decode(value, str, where)
    return stand_in(text) if open_names and variables_in(text) else _identifier(text, where)


def _identifier(text: str, where: Where) -> str:
    if not _ID.fullmatch(text):
        raise where.error(f"expected {_ID_RULE}, got {text[:80]!r}")
    return text


def _hostname() -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64]
    return name if _ID.fullmatch(name) else "device"


def _check_ids(sources: tuple[Part, ...], steps: tuple[Part, ...]) -> None:
    seen: dict[str, Where] = {part.id: part.where for part in sources}
    for part in steps:
        if part.id in seen:
            raise part.where.at("id").error(f"{part.id!r} is already the id of {seen[part.id].key}")
        seen[part.id] = part.where


def _check_inputs(sources: tuple[Part, ...], steps: tuple[Part, ...], sinks: tuple[Part, ...]) -> None:
    known = [part.id for part in (*sources, *steps)]
    for part in (*steps, *sinks):
        if part.input not in known:
            raise part.where.at("input").error(
                f"there is no source or step {part.input!r}{nearest(part.input, known)} (known: {', '.join(known)})"
            )
    names = {part.id for part in sources}
    for part in sinks:
        if part.input in names:
            raise part.where.at("input").error(f"{part.input!r} is a source; a sink listens to a step")


def _sorted(steps: tuple[Part, ...], ready: set[str]) -> tuple[Part, ...]:
    """Return the steps, each after its input."""
    waiting, done, order = list(steps), set(ready), []
    while waiting:
        now = [part for part in waiting if part.input in done]
        if not now:
            circle = " -> ".join(part.id for part in waiting)
            raise waiting[0].where.at("input").error(f"these steps wait for each other in a circle: {circle}")
        order += now
        done |= {part.id for part in now}
        waiting = [part for part in waiting if part.id not in done]
    return tuple(order)
