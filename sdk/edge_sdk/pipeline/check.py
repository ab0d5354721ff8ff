"""A pipeline is looked at as far as this machine can: everything is built, nothing is opened.

What only the device has is no mistake here: the value of a variable that is not set, and a file that a sink names with
an absolute path (a certificate). An option that needs one counts as right, whatever the part says about it; a step that
gets its data from such a part has its own options checked, but not whether the shapes fit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import inspect

from edge_sdk.config import FromEnvironment, decode
from edge_sdk.config.as_written import VARIABLE, AsWritten, stand_in, variables_in
from edge_sdk.config.pipeline import Part, PipelineFile, read_pipeline
from edge_sdk.config.toml_file import read_toml
from edge_sdk.errors import AccessDeniedError, EdgeError, TargetNotFoundError
from edge_sdk.pipeline.build import Builder, default_load, kind_of
from edge_sdk.pipeline.model_step import LoadModel
from edge_sdk.pipeline.steps import STEPS
from edge_sdk.publish import SINKS
from edge_sdk.registry import Registry
from edge_sdk.sensors import SENSORS


@dataclass(frozen=True)
class Checked:
    """A pipeline without mistakes.

    Attributes:
        name: of the pipeline.
        variables: those that are not set here, sorted.
        unchecked: what a part said about an option that only the device can judge.
    """

    name: str
    variables: tuple[str, ...]
    unchecked: tuple[str, ...]


def check(
    path: Path,
    *,
    engine: str | None = None,
    load: LoadModel | None = None,
    environment: Mapping[str, str] | None = None,
) -> Checked:
    """Look for every mistake that can be seen before the first sample.

    Args:
        engine, load: as `build` takes them.
        environment: default the process's own.

    Raises:
        ConfigError: the message starts with the file and the key.
        EdgeError: a model or file that is not there or not usable.
    """
    variables = AsWritten(os.environ if environment is None else environment)
    file = read_pipeline(path, variables)
    unchecked = _Checker(file, engine, load or default_load()).check()
    return Checked(file.name, tuple(sorted(variables_in(read_toml(path, variables)))), unchecked)


class _Checker(Builder):
    def __init__(self, file: PipelineFile, engine: str | None, load: LoadModel) -> None:
        super().__init__(file, engine, load)
        self._unchecked: list[str] = []

    def check(self) -> tuple[str, ...]:
        with self.resources:
            for part in self._file.sources:
                self._attempt(self.source, part, SENSORS, "type")
            for part in self._file.steps:
                self._attempt(self.node if part.input in self.specs else _options, part, STEPS, "use")
            self.ready()
            for part in self._file.sinks:
                self._attempt(self.outlet, part, SINKS, "type")
        return tuple(self._unchecked)

    def _attempt(self, make: Callable[[Part], object], part: Part, table: Registry, key: str) -> None:
        """Make one part; a complaint about what only the device has is noted."""
        kind = kind_of(table, part, key)
        options = {name: _filled(value, _example(kind.Options, name)) for name, value in part.options.items()}
        try:
            make(replace(part, options=options))
        except EdgeError as fault:
            if not any(_is_the_devices(part, name, fault, in_sink=table is SINKS) for name in part.options):
                raise
            self._unchecked.append(fault.message)


def _options(part: Part) -> object:
    return decode(dict(part.options), kind_of(STEPS, part, "use").Options, part.where)


def _is_the_devices(part: Part, name: str, fault: EdgeError, *, in_sink: bool) -> bool:
    """Whether the fault is about this option, and the option about something that only the device has."""
    place, value = str(part.where.at(name)), part.options[name]
    if not fault.message.startswith(tuple(f"{place}{end}" for end in ":.[")):
        return False
    absent = isinstance(fault, (TargetNotFoundError, AccessDeniedError))
    return bool(variables_in(value)) or (in_sink and absent and str(value).startswith("/"))


def _filled(value: Any, example: str) -> Any:
    """Return the option's value with something in the place of each variable."""
    match value:
        case str() if example and VARIABLE.fullmatch(value):
            return FromEnvironment(example)
        case str() if variables_in(value):
            return FromEnvironment(stand_in(value))
        case dict():
            return {key: _filled(inner, "") for key, inner in value.items()}
        case list():
            return [_filled(inner, "") for inner in value]
    return value


def _example(options: type[Any], name: str) -> str:
    """Return the first example of an option's description, "" for none."""
    info = inspect.type_info(options)
    if not isinstance(info, inspect.StructType):
        return ""
    for field in info.fields:
        if field.encode_name == name and isinstance(field.type, inspect.Metadata):
            examples = (field.type.extra_json_schema or {}).get("examples", [])
            return str(examples[0]) if examples else ""
    return ""
