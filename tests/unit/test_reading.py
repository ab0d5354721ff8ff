from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np

from edge_sdk.reading import Reading, StreamSpec, as_frame, later

STAMP = datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_a_reading_becomes_a_frame_without_copying_samples() -> None:
    reading = Reading(np.zeros((3, 2), np.float32), 1.5, STAMP, 100.0, gap=True)
    frame = as_frame(reading, 7)
    assert frame.data is reading.samples
    assert (frame.seq, frame.time_s, frame.utc, frame.gap) == (7, 1.5, STAMP, True)
    assert (frame.score, frame.alarm, frame.stale, dict(frame.stages)) == (None, None, False, {})


def test_a_spec_prints_its_shape_with_any_for_open_sizes() -> None:
    assert str(StreamSpec("samples", (0, 3))) == "samples [anyx3]"
    assert str(StreamSpec("window", (1024, 1))) == "window [1024x1]"


def test_later_keeps_the_zone() -> None:
    assert later(STAMP, 0.25) == STAMP + timedelta(milliseconds=250)
