"""Files that another machine will read: `${env:NAME}` belongs to it and stays as written where it is not set here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


class AsWritten(Mapping[str, str]):
    """An environment in which a variable that is not set has the value `${env:NAME}`.

    read_toml(path, AsWritten())["url"]      # "${env:MQTT_URL}"
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._known = known or {}

    def __getitem__(self, name: str) -> str:
        return self._known.get(name, f"${{env:{name}}}")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def variables_in(value: object) -> frozenset[str]:
    """Return the names that stayed as written anywhere in a TOML value."""
    return frozenset(name for text in _texts(value) for name in VARIABLE.findall(text))


def stand_in(text: str) -> str:
    """Return text that can be checked like any other: each name that stayed as written stands for its value."""
    return VARIABLE.sub(r"\1", text)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield str(value)
        case Mapping():
            for one in value.values():
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)
