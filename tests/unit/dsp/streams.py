"""Frames and specs for the tests of the steps."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_sdk.config import Where
from edge_sdk.dsp.base import Step
from edge_sdk.reading import Frame, StreamSpec

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
WHERE = Where(Path("p.toml")).at("steps").at(0)


def samples(data: Any, *, time_s: float = 100.0, gap: bool = False) -> Frame:
    array = np.asarray(data, np.float32)
    return Frame(array if array.ndim == 2 else array[:, None], 0, time_s, T0, gap)


def sample_spec(rate_hz: float = 1000.0, channels: int = 1) -> StreamSpec:
    names = tuple(f"ch{index}" for index in range(channels))
    return StreamSpec("samples", (0, channels), rate_hz, names, source_rate_hz=rate_hz)


def window_spec(size: int, rate_hz: float = 12000.0, channels: int = 1) -> StreamSpec:
    return StreamSpec("window", (size, channels), rate_hz, source_rate_hz=rate_hz)


def build(step: Any, spec: StreamSpec, kernels: Any = None, **options: Any) -> Step:
    return step(msgspec.convert(options, step.Options), WHERE, spec, kernels)
