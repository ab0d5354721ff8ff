"""Reading one TOML file: bounded size, syntax errors with line and column, `${env:NAME}` filled in.

Only `${env:NAME}` is known: no defaults, no nesting, no commands. A text that came from the environment is marked, so
that keys for secrets can refuse literal ones.
"""

from __future__ import annotations

import math
import os
import re
import stat
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from edge_sdk.config.where import Where
from edge_sdk.errors import AccessDeniedError, ConfigError, TargetNotFoundError
from edge_sdk.units import utf8

tomllib: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
MAX_FILE_BYTES = 1 << 20
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}?")
_NAME = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


class FromEnvironment(str):
    """A text that contains the value of an environment variable."""

    __slots__ = ()


def read_toml(path: Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the file's table.

    Args:
        environment: for `${env:NAME}`; default the process's own.

    Raises:
        TargetNotFoundError: no such file.
        AccessDeniedError: it may not be read.
        ConfigError: too large, not UTF-8, not TOML, a number that is not finite, a variable that is not set.
    """
    text = _read_text(path)
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: tables or arrays are nested too deeply") from None
    except ValueError as syntax:  # TOMLDecodeError, and integers too long for Python
        raise ConfigError(f"{path}: not valid TOML: {syntax}") from syntax
    variables = os.environ if environment is None else environment
    return {key: _expand(value, Where(path, key), variables) for key, value in table.items()}


def _read_text(path: Path) -> str:
    try:
        # Non-blocking: a named pipe would wait for a writer for ever.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise TargetNotFoundError(f"{path}: is no regular file, expected a TOML file")
            data = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise TargetNotFoundError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise TargetNotFoundError(f"{path}: is a folder, expected a TOML file") from None
    except PermissionError:
        raise AccessDeniedError(f"{path}: may not be read", hint=f"chmod u+r {path}") from None
    except (OSError, ValueError) as fault:
        raise TargetNotFoundError(f"{path}: cannot be read: {fault}") from fault
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; is this a TOML file?")
    try:
        return data.decode("utf-8-sig")  # editors of another system begin with a byte order mark
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise ConfigError(f"{path}: not UTF-8 at line {line}; is this a TOML file?") from None


def _expand(value: Any, where: Where, variables: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _expand_text(value, where, variables)
        case float() if not math.isfinite(value):
            raise where.error(f"expected a finite number, got {value}")
        case dict():
            return {key: _expand(inner, where.at(key), variables) for key, inner in value.items()}
        case list():
            return [_expand(inner, where.at(index), variables) for index, inner in enumerate(value)]
    return value


def _expand_text(text: str, where: Where, variables: Mapping[str, str]) -> str:
    if "${" not in text:
        return text

    def fill(match: re.Match[str]) -> str:
        name = _NAME.fullmatch(match[1])
        if name is None or not match[0].endswith("}"):
            # What stands there instead is not repeated: it may be a password.
            raise where.error("expected ${env:NAME} wherever a text has ${")
        if name[1] not in variables:
            raise where.error(f"the environment variable {name[1]} is not set", hint=f"export {name[1]}=...")
        if utf8(variables[name[1]]) != variables[name[1]]:
            raise where.error(f"the environment variable {name[1]} holds bytes that are not UTF-8")
        return variables[name[1]]

    return FromEnvironment(_PLACEHOLDER.sub(fill, text))
