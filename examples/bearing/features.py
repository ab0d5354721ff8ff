"""Features for training, made by the very steps that the pipeline file lists before its model.

There is no second description of the features: what the model is trained on is what it will get.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.config import decode
from edge_sdk.config.pipeline import read_pipeline
from edge_sdk.dsp import STEPS
from edge_sdk.dsp.base import Kernels, Step
from edge_sdk.reading import Frame, StreamSpec

#: Variables that the pipeline files name but that do not matter for features.
_ENVIRONMENT = dict.fromkeys(("EDGE_LABELS", "EDGE_MODEL", "EDGE_MQTT_URL", "EDGE_PORT"), "unused")
_EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Features:
    """The feature steps of one pipeline file."""

    def __init__(self, pipeline: Path, kernels: Kernels) -> None:
        file = read_pipeline(pipeline, _ENVIRONMENT)
        self._kernels = kernels
        self._parts = []
        for part in file.steps:
            if part.kind == "model":
                break
            self._parts.append(part)
        self.rate_hz = float(file.sources[0].options["rate_hz"])
        self.steps: list[dict[str, Any]] = [{"use": part.kind, **part.options} for part in self._parts]

    def of(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return [windows, features] of a recording [n, 1]."""
        frames: Iterable[Frame] = [Frame(samples, 0, 0.0, _EPOCH)]
        for step in self._fresh():
            frames = [out for frame in frames for out in step.push(frame)]
        return np.array([frame.data.reshape(-1) for frame in frames], np.float64)

    def _fresh(self) -> list[Step]:
        steps: list[Step] = []
        spec = StreamSpec("samples", (0, 1), self.rate_hz, source_rate_hz=self.rate_hz)
        for part in self._parts:
            kind = STEPS.load(part.kind)
            steps.append(kind(decode(dict(part.options), kind.Options, part.where), part.where, spec, self._kernels))
            spec = steps[-1].output
        return steps
