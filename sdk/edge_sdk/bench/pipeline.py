"""`edge-sdk bench PIPELINE`: what the steps of a pipeline cost, fed from memory as fast as they take it.

Sensors are not opened and nothing is published: each source's samples are seeded noise in readings of 20 ms. Times are
CPU time of the thread that runs the steps, so

    load = CPU time / the time in which the sensors would have given as many samples

is the part of one core that the steps need at the sensors' own rate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from edge_sdk.bench.interleave import Samples
from edge_sdk.errors import UsageError
from edge_sdk.pipeline import Pipeline, build
from edge_sdk.reading import Array, Frame, StreamSpec

READING_S = 0.02
#: Different readings of a source; then they come again.
READINGS = 64
SEED = 20260101
#: Part of the time before anything counts.
WARM_UP = 0.2


@dataclass
class StepResult:
    """What one step did and cost.

    Attributes:
        frames_in, frames_out: how many it took and gave.
        median_us, p99_us: of the calls that gave something; None where none did.
        share: of the CPU time of all steps.
    """

    id: str
    kind: str
    engine: str
    frames_in: int = 0
    frames_out: int = 0
    cpu_ms: float = 0.0
    median_us: float | None = None
    p99_us: float | None = None
    share: float = 0.0
    giving_ns: list[float] = field(default_factory=list, repr=False)

    def note(self, spent_ns: int, given: int) -> None:
        """Count one call."""
        self.frames_in += 1
        self.frames_out += given
        self.cpu_ms += spent_ns / 1e6
        if given:
            self.giving_ns.append(spent_ns)

    def finish(self, all_ms: float) -> None:
        """Work out what is derived from the rest."""
        if self.giving_ns:
            samples = Samples(1, self.giving_ns)
            self.median_us = round(samples.median_ns / 1000, 3)
            self.p99_us = round(samples.percentile_ns(99) / 1000, 3)
        self.share = round(self.cpu_ms / all_ms, 4) if all_ms else 0.0
        self.cpu_ms = round(self.cpu_ms, 3)


@dataclass(frozen=True)
class PipelineReport:
    """What `--json` prints.

    Attributes:
        sources: id -> samples a second, 0 where unknown.
        signal_s: how long the sensors would have taken for what the steps were given; None where a rate is unknown.
        load: CPU time of the steps in that time, as a part of one core.
        results: frames of the steps at the ends.
    """

    pipeline: str
    seconds: float
    sources: dict[str, float]
    steps: tuple[StepResult, ...]
    cpu_ms: float
    signal_s: float | None
    load: float | None
    results: int
    us_per_result: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        found = asdict(self)
        for step in found["steps"]:
            del step["giving_ns"]
        return found


def bench_pipeline(path: Path, seconds: float, *, engine: str | None = None) -> PipelineReport:
    """Feed the steps of a pipeline for about `seconds`.

    Args:
        engine: overrides the engine of every model.

    Raises:
        EdgeError: what `build` raises, or a step.
        UsageError: the pipeline has no steps.
    """
    with build(path, engine=engine) as pipeline:
        if not pipeline.nodes:
            raise UsageError(f"{path}: the pipeline has no steps, there is nothing to measure")
        line = _Line(pipeline)
        line.feed(WARM_UP * seconds)
        line.start_counting()
        line.feed((1 - WARM_UP) * seconds)
        return line.report(seconds)


class _Line:
    """The steps of a pipeline, and counts."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._specs = {name: source.output for name, source in pipeline.sources.items()}
        self._readings = {name: _noise(spec) for name, spec in self._specs.items()}
        self._seqs = dict.fromkeys(pipeline.sources, 0)
        self._utc = datetime.now(timezone.utc)
        self.start_counting()

    def start_counting(self) -> None:
        """Forget the counts so far."""
        engines = self._pipeline.engines
        self._steps = {n.id: StepResult(n.id, n.kind, engines.get(n.id, "")) for n in self._pipeline.nodes}
        self._signal_s = 0.0

    def feed(self, seconds: float) -> None:
        """Give every source's readings in turn, until each has given something and the time is over."""
        end_s, silent = time.monotonic() + seconds, set(self._readings)
        while silent or time.monotonic() < end_s:
            for name, readings in self._readings.items():
                samples = next(readings)
                if len(samples):
                    self._push(name, Frame(samples, self._seqs[name], time.monotonic(), self._utc))
                    self._seqs[name] += 1
                    silent.discard(name)
            self._signal_s += READING_S

    def _push(self, origin: str, frame: Frame) -> None:
        for node in self._pipeline.nodes:
            if node.input != origin:
                continue
            began_ns = time.thread_time_ns()
            outs = list(node.step.push(frame))
            self._steps[node.id].note(time.thread_time_ns() - began_ns, len(outs))
            for out in outs:
                self._push(node.id, out)

    def report(self, seconds: float) -> PipelineReport:
        steps = tuple(self._steps.values())
        cpu_ms = sum(step.cpu_ms for step in steps)
        for step in steps:
            step.finish(cpu_ms)
        results = sum(self._steps[name].frames_out for name in self._pipeline.result_nodes)
        known = all(spec.rate_hz > 0 for spec in self._specs.values())
        return PipelineReport(
            pipeline=str(self._pipeline.file),
            seconds=seconds,
            sources={name: spec.rate_hz for name, spec in self._specs.items()},
            steps=steps,
            cpu_ms=round(cpu_ms, 3),
            signal_s=round(self._signal_s, 3) if known else None,
            load=round(cpu_ms / 1000 / self._signal_s, 6) if known else None,
            results=results,
            us_per_result=round(cpu_ms * 1000 / results, 3) if results else None,
        )


def _noise(spec: StreamSpec) -> Iterator[Array]:
    """Yield readings of a source for ever: as many rows as it gives in READING_S, mostly none where it is slow."""
    each = spec.rate_hz * READING_S or 1.0
    most = ceil(each)
    pool = np.random.default_rng(SEED).standard_normal((READINGS * most, spec.shape[-1])).astype(np.float32)
    for number in count():
        rows = round(each * (number + 1)) - round(each * number)
        start = number % READINGS * most
        yield pool[start : start + rows]


def lines(report: PipelineReport) -> list[str]:
    """Return the table for people."""
    found = [f"{'step':<16}{'kind':<16}{'in':>9}{'out':>9}{'median':>13}{'p99':>13}{'share':>8}"]
    for step in report.steps:
        times = "".join("".rjust(13) if us is None else f"{us:>10.2f} µs" for us in (step.median_us, step.p99_us))
        engine = f"  {step.engine}" if step.engine else ""
        head = f"{step.id:<16}{step.kind:<16}{step.frames_in:>9}{step.frames_out:>9}"
        found.append(f"{head}{times}{step.share:>8.1%}{engine}")
    each = "" if report.us_per_result is None else f", {report.us_per_result:.1f} µs each"
    found.append(f"{report.results} results{each}")
    if report.load is not None:
        rates = ", ".join(f"{name} {rate:g} Hz" for name, rate in report.sources.items())
        found.append(f"{report.load:.2%} of one core at the sensors' rate ({rates}); {_times(report.load)} real time")
    return found


def _times(load: float) -> str:
    return f"{1 / load:,.0f} times" if load > 0 else "beyond"


def unknown_options(given: Mapping[str, bool]) -> None:
    """Raise UsageError where an option was given that only models have."""
    for option, is_given in given.items():
        if is_given:
            raise UsageError(f"{option}: only for a model", hint="bench the model of the pipeline by itself")
