from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_sdk.config import Where
from edge_sdk.errors import DeadlineError, UsageError
from edge_sdk.sensors.frame_parser import FrameOptions, FrameParser, layout_of
from edge_sdk.sensors.serial import SerialSource
from edge_sdk.sim.serial_link import FrameFormat, PtyLink, SimulatedSensor

WHERE = Where(Path("p.toml"))
RAMP = (np.arange(-30000, 30000) * 0.0005).astype(np.float32)[:, None]


def reader_of(samples):
    """Return a read(n) that gives the samples and then ends."""
    at = [0]

    def read(count):
        piece = samples[at[0] : at[0] + count]
        at[0] += len(piece)
        return piece

    return read


def test_the_sources_parser_reads_what_the_sensor_writes():
    form = FrameFormat()
    layout = layout_of(msgspec.convert(form.options()["frame"], FrameOptions), WHERE)
    parser = FrameParser(layout, channels=1)
    runs = parser.feed(b"".join(form.encode(RAMP, counter=65000)))
    assert len(runs) == 1
    assert np.allclose(runs[0].samples * 0.0005, RAMP, atol=1e-6)
    assert parser.counts["lost_frames"] == parser.counts["bad_crc"] == 0


def test_values_beyond_16_bits_are_clipped():
    form = FrameFormat(scale=1.0)
    (frame,) = form.encode(np.full((60, 1), 1e9, np.float32), 0)
    assert np.array_equal(np.frombuffer(frame[4:-2], "<i2"), np.full(60, 32767))


def test_half_a_frame_is_refused():
    with pytest.raises(UsageError, match="whole frames of 60"):
        FrameFormat().encode(np.zeros((59, 1), np.float32), 0)


def test_a_serial_source_gets_every_sample_when_the_sensor_waits():
    form = FrameFormat()
    with PtyLink() as link:
        options = msgspec.convert({"port": link.port, "rate_hz": 12000.0, **form.options()}, SerialSource.Options)
        source = SerialSource(options, WHERE, "accel")
        sensor = SimulatedSensor(link, reader_of(RAMP), 12000.0, frame_format=form, speed=0, wait=True)
        stop = threading.Event()

        def send():
            link.wait_for_reader(10)
            sensor.run(stop)

        thread = threading.Thread(target=send)
        thread.start()
        source.open()
        got, until_s = [], time.monotonic() + 20
        while sum(map(len, got)) < len(RAMP) and time.monotonic() < until_s:
            reading = source.read(0.2)
            if reading is not None:
                assert not reading.gap
                got.append(reading.samples)
        stop.set()
        thread.join(10)
        source.close()
    assert np.allclose(np.concatenate(got), RAMP, atol=1e-6)
    assert sensor.lost == 0


def test_without_a_reader_a_live_sensor_loses_whole_frames_and_counts_on():
    with PtyLink() as link:
        sensor = SimulatedSensor(link, reader_of(RAMP), 12000.0, speed=1000.0)
        sensor.run(threading.Event())
        assert sensor.frames == 1000
        assert 0 < sensor.lost < 1000
        handle = os.open(link.port, os.O_RDWR | os.O_NOCTTY)
        arrived = os.read(handle, 65536)
        os.close(handle)
    assert arrived[:2] == bytes.fromhex("a55a")
    assert arrived[2:4] == b"\x00\x00"


def test_nobody_opening_the_port_ends_in_time():
    with PtyLink() as link, pytest.raises(DeadlineError, match="nobody opened /dev/pts"):
        link.wait_for_reader(0.05)


def test_a_live_sensor_needs_a_speed():
    with PtyLink() as link, pytest.raises(UsageError, match="speed: expected a number above 0, got 0"):
        SimulatedSensor(link, reader_of(RAMP), 12000.0, speed=0)
