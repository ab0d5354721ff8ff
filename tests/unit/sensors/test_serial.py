from __future__ import annotations

import os
import pty
import struct
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timezone
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_sdk.config import Where
from edge_sdk.errors import BusyError, ConfigError, EdgeError, TargetNotFoundError, TransferError
from edge_sdk.reading import Reading
from edge_sdk.sensors.base import Channel
from edge_sdk.sensors.frame_parser import FrameOptions
from edge_sdk.sensors.links import Link, LinkLostError, LoopbackLink, SerialLink
from edge_sdk.sensors.serial import SerialOptions, SerialSource
from edge_sdk.sensors.text_parser import TextOptions

WHERE = Where(Path("p.toml"), "sources.a")
OPTIONS = SerialOptions(
    port="loopback",
    rate_hz=1000,
    frame=FrameOptions(format="<Bh", sync="a5", crc="crc8", seq=0),
    channels=(Channel(name="x", unit="g", scale=0.5, offset=1.0),),
)


def frames(first: int, count: int) -> bytes:
    from edge_sdk.sensors.crc import CHECKSUMS

    found = b""
    for index in range(first, first + count):
        payload = struct.pack("<Bh", index % 256, index)
        found += b"\xa5" + payload + bytes([CHECKSUMS["crc8"].of(payload)])
    return found


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


def source_of(
    open_link: Callable[[SerialOptions], Link], clock: FakeTime, options: SerialOptions = OPTIONS
) -> SerialSource:
    return SerialSource(options, WHERE, "a", open_link=open_link, monotonic=clock.monotonic, pause=clock.pause)


def values(readings: list[Reading | None]) -> list[float]:
    return [value for reading in readings if reading for value in reading.samples[:, 0].tolist()]


def test_samples_arrive_scaled_with_time_stamp_and_units() -> None:
    clock = FakeTime()
    source = source_of(lambda options: LoopbackLink([frames(0, 4)]), clock)
    source.open()
    reading = source.read(0.1)
    assert reading is not None
    assert reading.samples.tolist() == [[1.0], [1.5], [2.0], [2.5]]
    assert reading.samples.dtype == np.float32
    assert reading.time_s == pytest.approx(100.0 - 0.003)
    assert reading.utc.tzinfo is timezone.utc
    assert (reading.gap, reading.source, reading.units, reading.rate_hz) == (False, "a", ("g",), 1000)
    assert str(source.output) == "samples [anyx1]"
    assert source.output.channels == ("x",)


def test_a_gap_inside_one_piece_of_bytes_splits_the_reading() -> None:
    source = source_of(lambda options: LoopbackLink([frames(0, 2) + b"noise" + frames(2, 2)]), FakeTime())
    source.open()
    first, second = source.read(0.1), source.read(0.1)
    assert first is not None
    assert second is not None
    assert (first.gap, second.gap) == (False, True)
    assert values([first, second]) == [1.0, 1.5, 2.0, 2.5]
    assert source.counts()["dropped_bytes"] == 5


def test_a_vanished_port_is_waited_for_with_growing_pauses_and_leaves_a_gap() -> None:
    clock = FakeTime()
    links: list[Link | EdgeError] = [
        LoopbackLink([frames(0, 2)], lost_at_end=True),
        TargetNotFoundError("not there"),
        TargetNotFoundError("not there"),
        LoopbackLink([frames(50, 2)]),
    ]

    def open_link(options: SerialOptions) -> Link:
        found = links.pop(0)
        if isinstance(found, EdgeError):
            raise found
        return found

    source = source_of(open_link, clock)
    source.open()
    readings = [source.read(10.0) for _ in range(10)]
    found = [reading for reading in readings if reading]
    assert values(readings) == [1.0, 1.5, 26.0, 26.5]
    assert [reading.gap for reading in found] == [False, True]
    assert clock.pauses == pytest.approx([0.1, 0.2, 0.4])
    assert source.counts()["port_lost"] == 1
    assert source.counts()["lost_frames"] == 0
    assert not source.ended


def test_a_vanished_port_stops_the_pipeline_when_asked_to() -> None:
    options = msgspec.structs.replace(OPTIONS, on_lost="stop")
    source = source_of(lambda options: LoopbackLink([frames(0, 1)], lost_at_end=True), FakeTime(), options)
    source.open()
    assert values([source.read(0.1)]) == [1.0]
    with pytest.raises(TransferError, match="source a: loopback: gone"):
        source.read(0.1)


def test_text_lines_work_like_frames() -> None:
    options = SerialOptions(port="x", rate_hz=10, text=TextOptions(), channels=(Channel(name="t"), Channel(name="u")))
    source = source_of(lambda options: LoopbackLink([b"half\n1,2\nbad\n3,4\n"]), FakeTime(), options)
    source.open()
    first, second = read_until(source, 2)
    assert first.samples.tolist() == [[1, 2]]
    assert second.samples.tolist() == [[3, 4]]
    assert (first.gap, second.gap) == (False, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame": None}, 'expected either frame = { format = "..." } or text = {}'),
        ({"text": TextOptions()}, "expected either frame"),
        ({"frame": None, "text": TextOptions(), "channels": ()}, "channels: expected channels, or text.columns"),
        ({"frame": None, "text": TextOptions(columns=(1, 2))}, "text.columns: expected 1 columns"),
        ({"frame": FrameOptions(format="<B", sync="a5", seq=0)}, "frame.format: expected at least one number beside"),
        ({"channels": (Channel(name="x"), Channel(name="y"))}, "channels: the frame carries 1 sample numbers"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SerialSource(msgspec.structs.replace(OPTIONS, **options), WHERE, "a")
    assert caught.value.message.startswith("p.toml: sources.a")
    assert message in caught.value.message


class Terminal:
    """A pseudo-terminal: tests write at one end, the real pyserial reads at the other."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.name = os.ttyname(self._slave)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.master, data) :]

    def close(self) -> None:
        for end in (self.master, self._slave):
            with suppress(OSError):
                os.close(end)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    ends = Terminal()
    yield ends
    ends.close()


def read_until(source: SerialSource, count: int) -> list[Reading]:
    readings: list[Reading] = []
    for _ in range(1000):
        if sum(len(reading.samples) for reading in readings) >= count:
            break
        reading = source.read(0.1)
        if reading is not None:
            readings.append(reading)
    return readings


def test_a_real_pseudo_terminal_delivers_every_sample(terminal: Terminal) -> None:
    source = SerialSource(msgspec.structs.replace(OPTIONS, port=terminal.name, rate_hz=12000), WHERE, "a")
    source.open()
    writer = threading.Thread(target=terminal.write, args=(frames(0, 5000),))
    writer.start()
    readings = read_until(source, 5000)
    writer.join()
    source.close()
    assert values(list(readings)) == [1 + 0.5 * index for index in range(5000)]
    assert not any(reading.gap for reading in readings)


def read_for_ever(link: Link) -> None:
    while True:
        link.read(10, 0.05)


def test_a_hung_up_terminal_is_lost_not_a_traceback(terminal: Terminal) -> None:
    link = SerialLink(terminal.name, 115200, "none", 1)
    terminal.close()
    with pytest.raises(LinkLostError, match=terminal.name):
        read_for_ever(link)
    link.close()


def test_a_port_is_held_for_one_program_only(terminal: Terminal) -> None:
    link = SerialLink(terminal.name, 115200, "none", 1)
    with pytest.raises(BusyError, match="another program uses it"):
        SerialLink(terminal.name, 115200, "none", 1)
    link.close()
    SerialLink(terminal.name, 115200, "none", 1).close()


def test_a_cable_that_is_pulled_and_plugged_in_again_costs_a_gap_only(tmp_path: Path) -> None:
    before, after, port = Terminal(), Terminal(), tmp_path / "port"
    port.symlink_to(before.name)
    source = SerialSource(msgspec.structs.replace(OPTIONS, port=str(port)), WHERE, "a")
    source.open()
    before.write(frames(0, 3) + b"\xa5\x03")
    first = read_until(source, 3)
    port.unlink()
    before.close()
    assert source.read(0.05) is None
    assert source.read(0.3) is None
    port.symlink_to(after.name)
    while source.read(0.05) is None and source._link is None:
        pass
    after.write(frames(70, 2))
    second = read_until(source, 2)
    source.close()
    after.close()
    assert values(list(first)) == [1.0, 1.5, 2.0]
    assert values(list(second)) == [36.0, 36.5]
    assert [reading.gap for reading in (*first, *second)].count(True) == 1
    assert second[0].gap
    assert source.counts()["port_lost"] == 1


@pytest.mark.parametrize("name", ["/dev/null", "/dev/not-there-at-all", "/"])
def test_what_is_not_a_serial_port_is_not_found(name: str) -> None:
    source = SerialSource(msgspec.structs.replace(OPTIONS, port=name), WHERE, "a")
    with pytest.raises(TargetNotFoundError, match=f"serial port {name}: ") as caught:
        source.open()
    assert caught.value.hint == "edge-sdk doctor"
    assert caught.value.exit_code == 4
