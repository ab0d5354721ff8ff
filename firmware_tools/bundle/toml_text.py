"""A table of TOML values as TOML text (TOML 1.0). Plain rather than pretty: it is read by the device, not by people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(table: Mapping[str, Any], comment: str = "") -> str:
    """Return the text; reading it gives the table again."""
    lines = [f"# {comment}"] if comment else []
    lines += [f"{_key(name)} = {_value(value)}" for name, value in table.items() if not _has_heading(value)]
    for name, value in table.items():
        if _has_heading(value):
            lines += _section(name, value)
    return "\n".join(lines) + "\n"


def _has_heading(value: Any) -> bool:
    """Whether the value is written under [name] or [[name]]; the rest is written behind `name =`."""
    tables = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return bool(tables) and all(isinstance(one, Mapping) for one in tables)


def _section(name: str, value: Any) -> list[str]:
    named = value.items() if isinstance(value, Mapping) else ((None, one) for one in value)
    lines = []
    for inner, rows in named:
        heading = f"[[{_key(name)}]]" if inner is None else f"[{_key(name)}.{_key(inner)}]"
        lines += ["", heading, *(f"{_key(key)} = {_value(one)}" for key, one in rows.items())]
    return lines


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for DEL; nothing beyond ASCII is escaped."""
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int():
            return str(value)
        case float():
            return repr(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return (
                "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }" if value else "{}"
            )
        case list():
            return "[" + ", ".join(_value(one) for one in value) + "]"
    raise TypeError(f"no TOML for a {type(value).__name__}")
