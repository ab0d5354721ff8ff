"""The records that flow along the line: a sensor's Reading becomes Frames, and the last Frame becomes a Result.

    sensor --Reading--> engine --Frame--> window --> spectrum --> model --> threshold --Frame--> engine --Result--> sink

A step is told by a `StreamSpec` what it will get and answers with the spec of what it gives, so a wrong shape is found
while the pipeline is built, not after an hour. Times are monotonic seconds; stamps are UTC. Both belong to the first
sample that the record covers. Records are not changed once handed on: use `dataclasses.replace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Kind = Literal["samples", "window", "features", "scores"]


@dataclass(frozen=True)
class Reading:
    """Samples that a sensor delivered together.

    Attributes:
        samples: float32 [n, channels], in the units of `units`; n may be 0 when only a gap is reported.
        time_s: monotonic time of the first sample.
        utc: wall clock of the first sample, aware, UTC.
        rate_hz: samples per second and channel.
        gap: samples are missing between the reading before and this one.
        source: the source's id in the pipeline.
        units: one unit per channel, "" where unknown.
    """

    samples: Array
    time_s: float
    utc: datetime
    rate_hz: float
    gap: bool = False
    source: str = ""
    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamSpec:
    """What one step gives the next.

    Attributes:
        kind: "samples" (any number of rows at a time), "window" (a fixed number of rows), "features" or "scores".
        shape: of `Frame.data`. Samples: (0, channels), 0 = any. Window: (size, channels). Features: as the step says.
        rate_hz: samples per second for "samples" and "window" (of the samples inside); frames per second afterwards,
            0.0 when unknown.
        channels: names of the channels, in the order of the axis.
        labels: names of the scores for kind "scores"; may be empty.
        source_rate_hz: samples per second of the sensor at the head, whatever `rate_hz` means here.
    """

    kind: Kind
    shape: tuple[int, ...]
    rate_hz: float = 0.0
    channels: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    source_rate_hz: float = 0.0

    def __str__(self) -> str:
        sizes = "x".join("any" if size == 0 else str(size) for size in self.shape)
        return f"{self.kind} [{sizes}]"


@dataclass(frozen=True)
class Frame:
    """One unit of work between two steps.

    Attributes:
        data: float32 array, shaped as the spec of the step that made it.
        seq: number of this frame at the step that first cut it (window), from 0, without holes.
        time_s: monotonic time of the first sample inside.
        utc: wall clock of the first sample inside, UTC.
        gap: samples are missing inside or just before.
        stages: kind of step -> seconds spent on this frame; the engine fills it, steps only hand it on.
        label: the winning label, set by the model step; "" before.
        score: the number that thresholds look at, set by the model step; None before.
        alarm: None until a threshold step decides.
        stale: the values are older ones, kept because the model failed (`on_fault = "last_good"`).
    """

    data: Array
    seq: int
    time_s: float
    utc: datetime
    gap: bool = False
    stages: Mapping[str, float] = field(default_factory=dict)
    label: str = ""
    score: float | None = None
    alarm: bool | None = None
    stale: bool = False


@dataclass(frozen=True)
class Result:
    """What a sink publishes: the last frame, and who made it.

    Attributes:
        device, pipeline, step, source: the names in the pipeline file.
        values: the frame's data (model scores, or features when there is no model).
        latency_s: kind of step -> seconds, and "total" from the arrival of the last sample to this record.
        model_sha256: of the model's source file, "" without a model.
        engine: for example "host (avx512vnni)", "" without a model.
    """

    device: str
    pipeline: str
    step: str
    seq: int
    time_s: float
    utc: datetime
    values: Array
    label: str = ""
    score: float | None = None
    alarm: bool = False
    gap: bool = False
    stale: bool = False
    latency_s: Mapping[str, float] = field(default_factory=dict)
    model_sha256: str = ""
    engine: str = ""
    source: str = ""


def as_frame(reading: Reading, seq: int) -> Frame:
    """Return the reading as the frame that the first step gets."""
    return Frame(reading.samples, seq, reading.time_s, reading.utc, reading.gap)


def later(utc: datetime, seconds: float) -> datetime:
    """Return the stamp `seconds` after `utc`."""
    return utc + timedelta(seconds=seconds)
