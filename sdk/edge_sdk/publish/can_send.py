"""A CAN frame for each change: python-can's interfaces, SocketCAN by default."""

from __future__ import annotations

import struct
from typing import Annotated, Any

import can
from msgspec import Meta

from edge_sdk.config import Where
from edge_sdk.errors import TransferError
from edge_sdk.publish.acting import ActingOptions, ActingSink, Value

#: ISO 11898-1: 11 and 29 bits of arbitration id, 8 bytes of a classical frame.
_STANDARD, _EXTENDED, _MOST_BYTES = 0x7FF, 0x1FFFFFFF, 8


class CanSendOptions(ActingOptions, frozen=True, kw_only=True):
    """Frames on a CAN bus."""

    channel: Annotated[str, Meta(min_length=1, description="of the interface", examples=["can0"])]
    arbitration_id: Annotated[int, Meta(ge=0, le=_EXTENDED, description="of the frames")]
    interface: Annotated[str, Meta(min_length=1, description="of python-can: socketcan, virtual, ...")] = "socketcan"
    extended: Annotated[bool, Meta(description="29 bits of arbitration id")] = False
    bitrate: Annotated[int, Meta(ge=0, le=1_000_000, description="bits per second; 0: as the interface is set up")] = 0
    on: Annotated[str, Meta(description="data for an alarm, hexadecimal, up to 8 bytes")] = "01"
    off: Annotated[str, Meta(description="data for none")] = "00"
    format: Annotated[str, Meta(description="of a score: struct format of one number")] = "<h"
    scale: Annotated[float, Meta(description="of a score: round(score * scale) is sent")] = 1000.0


class CanSendSink(ActingSink):
    """The row `can_send` of SINKS."""

    Options = CanSendOptions

    def __init__(self, options: CanSendOptions, where: Where, pipeline: str, device: str) -> None:
        if not options.extended and options.arbitration_id > _STANDARD:
            raise where.at("arbitration_id").error("more than 11 bits need extended = true")
        for key in ("on", "off"):
            _data(getattr(options, key), where.at(key))
        try:
            size = struct.calcsize(options.format)
            struct.pack(options.format, 0)
        except struct.error as fault:
            raise where.at("format").error(f"expected the format of one number, such as '<h': {fault}") from None
        if size > _MOST_BYTES:
            raise where.at("format").error(f"expected at most {_MOST_BYTES} bytes, got {size}")
        super().__init__(options, where, _Frames(options))


def _data(text: str, where: Where) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise where.error(f"expected hexadecimal digits, got {text[:40]!r}") from None
    if len(data) > _MOST_BYTES:
        raise where.error(f"expected at most {_MOST_BYTES} bytes, got {len(data)}")
    return data


class _Frames:
    def __init__(self, options: CanSendOptions) -> None:
        self._options = options
        self._bus: Any = None

    def open(self) -> None:
        options = self._options
        more: dict[str, Any] = {"bitrate": options.bitrate} if options.bitrate else {}
        try:
            self._bus = can.Bus(interface=options.interface, channel=options.channel, **more)
        except (can.CanError, OSError, ValueError) as fault:
            raise TransferError(f"CAN {options.interface} {options.channel}: {fault}") from fault

    def write(self, value: Value) -> None:
        options = self._options
        frame = can.Message(
            arbitration_id=options.arbitration_id, is_extended_id=options.extended, data=self._payload(value)
        )
        try:
            self._bus.send(frame, timeout=1.0)
        except (can.CanError, OSError) as fault:
            raise TransferError(f"CAN {options.interface} {options.channel}: {fault}") from fault

    def close(self) -> None:
        self._bus.shutdown()

    def describe(self, value: Value) -> str:
        return f"{self._options.channel} {self._options.arbitration_id:03X}#{self._payload(value).hex().upper()}"

    def _payload(self, value: Value) -> bytes:
        if isinstance(value, bool):
            return bytes.fromhex(self._options.on if value else self._options.off)
        number = value * self._options.scale
        kind = self._options.format.lstrip("<>=!@")
        if kind in "fd":
            return struct.pack(self._options.format, number)
        bits = 8 * struct.calcsize(self._options.format)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.islower() else (0, 2**bits - 1)
        return struct.pack(self._options.format, max(low, min(high, round(number))))
