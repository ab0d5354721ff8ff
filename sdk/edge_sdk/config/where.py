"""The place in a file that a value came from, so that every complaint starts with `file: key.path:`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_sdk.errors import ConfigError


@dataclass(frozen=True)
class Where:
    """A key path inside a file: `Where(Path("p.toml")).at("steps").at(1).at("size")` prints `p.toml: steps[1].size`."""

    file: Path
    key: str = ""

    def at(self, key: str | int) -> Where:
        """Return the place of `key` inside this one."""
        if isinstance(key, int):
            return Where(self.file, f"{self.key}[{key}]")
        return Where(self.file, f"{self.key}.{key}" if self.key else key)

    def error(self, problem: str, *, hint: str = "") -> ConfigError:
        """Return the complaint, to be raised by the caller."""
        return ConfigError(f"{self}: {problem}", hint=hint)

    def resolve(self, path: str) -> Path:
        """Return `path` as the file's author meant it: relative to the file's own folder."""
        if "\0" in path:
            raise self.error(f"no path holds a NUL, got {path[:80]!r}")
        try:
            return self.file.parent / Path(path).expanduser()
        except RuntimeError:
            raise self.error(f"there is no home folder for {path[:80]!r}") from None

    def __str__(self) -> str:
        return f"{self.file}: {self.key}" if self.key else str(self.file)
