"""Visible tables of plug-ins: a literal, sorted mapping from a name to "module:Class", loaded when asked for.

SENSORS = Registry("sensor", {"replay": "edge_sdk.sensors.replay:ReplaySource"})
SENSORS.load("replay")  # the class; the module is imported now, not earlier
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from edge_sdk.errors import ConfigError, MissingExtraError


def nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    """Return "; did you mean 'x'?" for the closest known name, or an empty string."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class Registry(Mapping[str, str]):
    """A table of one kind of plug-in.

    Args:
        kind: the word for a row in error messages ("sensor").
        rows: name -> "module:attribute".
        packages: name -> the optional package that a row needs, as `pip install` takes it.
    """

    def __init__(self, kind: str, rows: Mapping[str, str], packages: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._rows = dict(rows)
        self._packages = dict(packages or {})

    def __getitem__(self, name: str) -> str:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def load(self, name: str) -> Any:
        """Return the object behind `name`.

        Raises:
            ConfigError: no such row; the message lists the nearest one.
            MissingExtraError: the row's optional package is not installed.
        """
        if name not in self._rows:
            known = ", ".join(sorted(self._rows))
            raise ConfigError(f"unknown {self.kind} {name!r}{nearest(name, self._rows)} (known: {known})")
        module, _, attribute = self._rows[name].partition(":")
        try:
            return getattr(import_module(module), attribute)
        except ModuleNotFoundError as missing:
            package = self._packages.get(name)
            if package is None or (missing.name or "").startswith("edge_sdk"):
                raise
            raise MissingExtraError(
                f"{self.kind} {name!r} needs the package {missing.name!r}, which is not installed",
                hint=f"pip install {package}",
            ) from missing
