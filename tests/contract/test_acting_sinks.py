"""Every acting sink against what it acts on: a Modbus server, a CAN bus in this process, a fake of a GPIO chip."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import can
import numpy as np
import pytest
from gpiod.line import Value as Level
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_sdk.config import Where, decode
from edge_sdk.errors import ConfigError
from edge_sdk.publish import SINKS
from edge_sdk.reading import Result
from tests.broker import free_port, until

RESULT = Result(
    "gw", "p", "alarm", 0, 1.0, datetime(2026, 1, 1, tzinfo=timezone.utc), np.zeros(1, np.float32), score=-0.25
)
ALARM = replace(RESULT, alarm=True)


@dataclass
class World:
    """What the sink acts on.

    Attributes:
        options: of the sink, for alarms.
        now: the state that an alarm sets to True; None while nothing was written.
        away: makes the other side vanish, and come back; where that can be.
        more: arguments of the sink's class.
    """

    options: dict[str, Any]
    now: Callable[[], bool | None]
    away: Callable[[], Any] | None = None
    more: dict[str, Any] | None = None


class ModbusServer:
    """pymodbus's server on a thread."""

    def __init__(self) -> None:
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def read(self) -> tuple[bool, int]:
        """Return coil 3 and register 7."""
        client = ModbusTcpClient("127.0.0.1", port=self.port, timeout=2)
        assert client.connect()
        coil = client.read_coils(3, count=1, device_id=1).bits[0]
        register = client.read_holding_registers(7, count=1, device_id=1).registers[0]
        client.close()
        return coil, register

    async def _start(self) -> None:
        bits = SimData(0, values=[False] * 16, datatype=DataType.BITS)
        words = SimData(0, values=[0] * 16, datatype=DataType.REGISTERS)
        device = SimDevice(1, simdata=([bits], [bits], [words], [words]))
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)


@contextmanager
def modbus(folder: Path) -> Iterator[World]:
    server = ModbusServer()

    @contextmanager
    def away() -> Iterator[None]:
        server.stop()
        yield
        server.start()

    options = {"host": "127.0.0.1", "port": server.port, "coil": 3, "answer_s": 0.5}
    yield World(options, lambda: server.read()[0], away)
    server.close()


@contextmanager
def bus(folder: Path) -> Iterator[World]:
    listener = can.Bus(interface="virtual", channel=folder.name)
    frames: list[bytes] = []

    def now() -> bool | None:
        while (frame := listener.recv(0)) is not None:
            assert frame.arbitration_id == 0x123
            frames.append(bytes(frame.data))
        return {b"\xca\xfe": True, b"\x00": False}[frames[-1]] if frames else None

    yield World({"interface": "virtual", "channel": folder.name, "arbitration_id": 0x123, "on": "cafe"}, now)
    listener.shutdown()


class Chip:
    """A stand-in for libgpiod: no chip can be simulated without a kernel that has gpio-sim."""

    def __init__(self) -> None:
        self.level: Level | None = None
        self.released = 0

    def request_lines(self, path: str, *, consumer: str, config: dict[Any, Any]) -> Chip:
        ((line, settings),) = config.items()
        assert (path, line, consumer) == ("/dev/gpiochip9", 17, "edge-sdk")
        self.level = settings.output_value
        return self

    def set_value(self, line: int, level: Level) -> None:
        assert line == 17
        self.level = level

    def release(self) -> None:
        self.released += 1


@contextmanager
def chip(folder: Path) -> Iterator[World]:
    fake = Chip()
    options = {"chip": "/dev/gpiochip9", "line": 17}
    now = lambda: None if fake.level is None else fake.level is Level.ACTIVE  # noqa: E731
    yield World(options, now, more={"library": fake})
    assert fake.released == 1


WORLDS = {"can_send": bus, "gpio": chip, "modbus_write": modbus}


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, World]]:
    with WORLDS[request.param](tmp_path) as found:
        yield request.param, found


def sink_of(name: str, options: dict[str, Any], **more: Any) -> Any:
    where = Where(Path("p.toml"), "sinks[0]")
    kind = SINKS.load(name)
    table = {"safe": False, "max_rate_hz": 100, **options}
    return kind(decode(table, kind.Options, where), where, "p", "gw", **more)


def test_an_alarm_acts_and_the_end_is_safe(world: tuple[str, World]) -> None:
    name, there = world
    sink = sink_of(name, there.options, **(there.more or {}))
    sink.open()
    sink.publish(ALARM)
    until(there.now, "the alarm")
    sink.publish(RESULT)
    until(lambda: there.now() is False, "its end")
    sink.publish(ALARM)
    until(there.now, "the alarm again")
    sink.close()
    assert there.now() is False
    assert sink.counts()["faults"] == 0


def test_the_safe_state_may_be_the_alarms(world: tuple[str, World]) -> None:
    name, there = world
    sink = sink_of(name, {**there.options, "safe": True}, **(there.more or {}))
    sink.open()
    until(there.now, "the safe state")
    sink.publish(RESULT)
    until(lambda: there.now() is False, "no alarm")
    sink.close()
    assert there.now() is True


def test_a_server_that_goes_away_is_found_again(tmp_path: Path) -> None:
    with modbus(tmp_path) as there:
        assert there.away is not None
        sink = sink_of("modbus_write", there.options)
        sink.open()
        sink.publish(RESULT)
        until(lambda: sink.counts()["delivered"], "the first write")
        with there.away():
            sink.publish(ALARM)
            until(lambda: "not written" in sink.state, "the fault")
        until(there.now, "the alarm")
        sink.close()


def test_a_score_goes_into_a_register() -> None:
    server = ModbusServer()
    options = {"host": "127.0.0.1", "port": server.port, "register": 7, "value": "score", "safe": 0.0, "scale": 100}
    sink = sink_of("modbus_write", options)
    sink.open()
    sink.publish(RESULT)
    until(lambda: server.read()[1] == 0xFFE7, "-25 in two's complement")
    sink.close()
    assert server.read()[1] == 0
    server.close()


def test_a_server_that_refuses_is_a_fault_with_its_code() -> None:
    server = ModbusServer()
    sink = sink_of("modbus_write", {"host": "127.0.0.1", "port": server.port, "coil": 999, "answer_s": 0.5})
    sink.open()
    until(lambda: "refused: exception code 2" in sink.state, "the refusal")
    sink.close()
    server.close()


def test_a_score_goes_into_a_frame() -> None:
    listener = can.Bus(interface="virtual", channel="score")
    options = {"interface": "virtual", "channel": "score", "arbitration_id": 1, "value": "score", "safe": 0.0}
    sink = sink_of("can_send", options)
    sink.open()
    sink.publish(RESULT)
    until(lambda: sink.counts()["delivered"] >= 1 and sink._written == -0.25, "the write")
    sink.close()
    frames = []
    while (frame := listener.recv(0)) is not None:
        frames.append(bytes(frame.data))
    listener.shutdown()
    assert (-250).to_bytes(2, "little", signed=True) in frames


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("modbus_write", {"host": "h", "serial": "/dev/x", "coil": 1}, r"host: expected host \(TCP\) or serial"),
        ("modbus_write", {"coil": 1}, r"host: expected host \(TCP\) or serial"),
        ("modbus_write", {"host": "h"}, "coil: expected coil or register"),
        ("modbus_write", {"host": "h", "coil": 1, "value": "score", "safe": 0.0}, "value: a coil is on or off"),
        ("can_send", {"channel": "c", "arbitration_id": 0x800}, "arbitration_id: more than 11 bits"),
        ("can_send", {"channel": "c", "arbitration_id": 1, "on": "xyz"}, "on: expected hexadecimal digits"),
        ("can_send", {"channel": "c", "arbitration_id": 1, "off": "00" * 9}, "off: expected at most 8 bytes, got 9"),
        (
            "can_send",
            {"channel": "c", "arbitration_id": 1, "format": "<hh"},
            "format: expected the format of one number",
        ),
        (
            "can_send",
            {"channel": "c", "arbitration_id": 1, "format": "?x9"},
            "format: expected the format of one number",
        ),
        ("gpio", {}, "line: this key is missing"),
    ],
)
def test_mistakes_are_named(name: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=rf"sinks\[0\]\.{complaint}"):
        sink_of(name, options)


def test_the_safe_state_must_be_chosen() -> None:
    where, kind = Where(Path("p.toml"), "sinks[0]"), SINKS.load("gpio")
    with pytest.raises(ConfigError, match=r"sinks\[0\]\.safe: this key is missing"):
        decode({"line": 17}, kind.Options, where)
