"""The demo's pipeline without port and broker: simulated motors go straight through its steps, at full speed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import patch

import numpy as np

from edge_sdk.pipeline import Pipeline, build
from edge_sdk.reading import Frame
from edge_sdk.sim.motor import Motor, MotorSettings
from tests.support import REPOSITORY

DEMO = REPOSITORY / "examples" / "demo"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
#: One count of the simulated sensor; the pipeline file says the same.
COUNT_G = 0.0005


@contextmanager
def demo_line(path: Path = DEMO / "pipeline.toml") -> Iterator[Pipeline]:
    """Build the pipeline; nothing is opened."""
    with patch.dict(os.environ, EDGE_PORT="/dev/null", EDGE_MQTT_URL="mqtt://127.0.0.1:9"), build(path) as pipeline:
        yield pipeline


def run(pipeline: Pipeline, settings: MotorSettings, seconds: int) -> list[Frame]:
    """Return the last step's frames of so many seconds of a motor, as a 16-bit sensor sees it."""
    motor, out = Motor(settings), []
    rows = int(settings.rate_hz)
    for second in range(seconds):
        counts = np.clip(np.round(motor.read(rows) / COUNT_G), -32768, 32767)
        frames = [
            Frame((counts * COUNT_G).astype(np.float32), second, float(second), START + timedelta(seconds=second))
        ]
        for node in pipeline.nodes:
            frames = [made for frame in frames for made in node.step.push(frame)]
        out += frames
    return out
