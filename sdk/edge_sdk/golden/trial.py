"""A golden test runs: the pipeline with its sources replaced, its sinks silent, and nothing that depends on the clock.

    sources.accel  type = "serial", rate_hz, channels, ...   -->  type = "replay", speed = 0, the same rate and channels
    steps          deadline_ms                                -->  taken out: a busy machine must not change a result
    sinks                                                     -->  never opened; what they listen to is still a result

Variables of the environment that only the replaced parts name (a port, a broker) need not be set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_sdk.config import Where
from edge_sdk.config.as_written import AsWritten, variables_in
from edge_sdk.config.pipeline import Part, PipelineFile, read_pipeline
from edge_sdk.golden.case import Case
from edge_sdk.golden.rows import Row, row_of
from edge_sdk.pipeline import Observer, Outlet, Pipeline, Runner, build_file
from edge_sdk.reading import Result
from edge_sdk.registry import nearest

#: What a replay keeps of the source it stands in for.
_KEPT = {"replay": ("array", "channels", "columns", "rate_hz")}
_KEPT_OF_LIVE = ("channels", "rate_hz")


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes:
        first_alarm_s: start of the first window with the alarm, in seconds of its recording; None without any.
    """

    rows: tuple[Row, ...]
    first_alarm_s: float | None


class _Silent:
    """A sink that is never opened and takes everything."""

    state = "not opened"

    def open(self) -> None: ...

    def publish(self, result: Result) -> None: ...

    def close(self) -> None: ...

    def counts(self) -> Mapping[str, int]:
        return {}


class _Collector(Observer):
    """Keeps the results."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.first_alarm_s: float | None = None
        self._started_s: dict[str, float] = {}

    def started(self, pipeline: Pipeline) -> None:
        self._started_s = {name: getattr(source, "started_s", 0.0) for name, source in pipeline.sources.items()}

    def result(self, result: Result) -> None:
        self.rows.append(row_of(result))
        if result.alarm:
            at_s = result.time_s - self._started_s[result.source]
            self.first_alarm_s = at_s if self.first_alarm_s is None else min(at_s, self.first_alarm_s)


def run_case(case: Case, *, engine: str | None = None) -> Outcome:
    """Run a golden test and return its results.

    Args:
        engine: overrides the engine of every model.

    Raises:
        EdgeError: the pipeline, a model or a recording cannot be used.
    """
    file = _replayed(case)
    outlets = tuple(Outlet(part.id, part.kind, part.input, _Silent()) for part in file.sinks)
    collector = _Collector()
    with build_file(replace(file, sinks=()), engine=engine) as built:
        Runner(replace(built, outlets=outlets), [collector]).run(max_results=case.max_results)
    return Outcome(tuple(collector.rows), collector.first_alarm_s)


def _replayed(case: Case) -> PipelineFile:
    """Return the pipeline as it is tested."""
    file = read_pipeline(case.pipeline, AsWritten(os.environ))
    where, known = Where(case.file, "replay"), [part.id for part in file.sources]
    for name in case.replay:
        if name not in known:
            text = f"{case.pipeline.name} has no source {name!r}{nearest(name, known)} (known: {', '.join(known)})"
            raise where.at(name).error(text)
    if case.max_results is not None and len(known) > 1:
        raise Where(case.file, "max_results").error("the order of several sources is not fixed; leave this key out")
    sources = tuple(_source(part, case.replay.get(part.id), where) for part in file.sources)
    steps = tuple(_without_deadline(part) for part in file.steps)
    for part in (*sources, *steps):
        _refuse_unset(part)
    return replace(file, sources=sources, steps=steps)


def _source(part: Part, options: Mapping[str, Any] | None, where: Where) -> Part:
    if options is None and part.kind != "replay":
        text = f"this key is missing; the source of type {part.kind!r} needs a recording in its place"
        raise where.at(part.id).error(text)
    once = {"speed": 0, "loop": False}
    if options is None:
        return replace(part, options={**part.options, **once})
    kept = {key: part.options[key] for key in _KEPT.get(part.kind, _KEPT_OF_LIVE) if key in part.options}
    return replace(part, kind="replay", options={**kept, **options, **once}, where=where.at(part.id))


def _without_deadline(part: Part) -> Part:
    if part.kind != "model":
        return part
    return replace(part, options={key: value for key, value in part.options.items() if key != "deadline_ms"})


def _refuse_unset(part: Part) -> None:
    for name in sorted(variables_in(part.options)):
        raise part.where.error(f"the environment variable {name} is not set", hint=f"export {name}=...")
