"""The wire under the serial sensor: a real port, or a loopback that speaks prepared bytes (for tests and dry runs)."""

from __future__ import annotations

import errno
import termios
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import serial

from edge_sdk.errors import AccessDeniedError, BusyError, ConfigError, EdgeError, TargetNotFoundError, TransferError


class LinkLostError(TransferError):
    """The port was there and is gone."""


class Link(Protocol):
    """A stream of bytes from a device."""

    def read(self, size: int, timeout_s: float) -> bytes:
        """Return up to `size` bytes; fewer, or none, when the time is over.

        Raises:
            LinkLostError: the device is gone.
        """

    def close(self) -> None: ...


class SerialLink:
    """A serial port, opened for this process alone.

    Raises:
        TargetNotFoundError: no such device, or it is not a serial port.
        AccessDeniedError: no permission.
        BusyError: another program holds it.
        ConfigError: the port refuses the baud rate.
    """

    def __init__(self, device: str, baud: int, parity: str, stop_bits: int) -> None:
        self._device = device
        try:
            self._port = serial.Serial(
                device, baud, parity=parity[0].upper(), stopbits=stop_bits, timeout=0, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError, OverflowError, termios.error) as fault:
            raise _opening(device, baud, fault) from fault

    def read(self, size: int, timeout_s: float) -> bytes:
        try:
            self._port.timeout = timeout_s
            return bytes(self._port.read(size))
        except (serial.SerialException, OSError, TypeError, termios.error) as fault:
            # TypeError is what pyserial raises when another thread closed the port in between.
            raise LinkLostError(f"serial port {self._device}: gone: {fault}") from fault

    def close(self) -> None:
        with suppress(serial.SerialException, OSError, termios.error):  # the device may be gone already
            self._port.close()


class LoopbackLink:
    """A fake port that delivers prepared pieces, one per read, then is silent or gone."""

    def __init__(self, pieces: Iterable[bytes], *, lost_at_end: bool = False) -> None:
        self._pieces = deque(pieces)
        self._lost_at_end = lost_at_end
        self.closed = False

    def read(self, size: int, timeout_s: float) -> bytes:
        if not self._pieces:
            if self._lost_at_end:
                raise LinkLostError("loopback: gone")
            time.sleep(min(timeout_s, 0.001))
            return b""
        piece = self._pieces.popleft()
        if len(piece) > size:
            self._pieces.appendleft(piece[size:])
        return piece[:size]

    def close(self) -> None:
        self.closed = True


def _opening(device: str, baud: int, fault: Exception) -> EdgeError:
    """Return our error for what pyserial said; it keeps the system's number in `errno` or only in the text."""
    number = getattr(fault, "errno", None)
    text = str(fault)
    if number in (errno.EACCES, errno.EPERM):
        return AccessDeniedError(
            f"serial port {device}: no permission", hint='sudo usermod -aG dialout "$USER", then log in again'
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return BusyError(f"serial port {device}: another program uses it", hint=f"fuser -v {device}")
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO):
        return TargetNotFoundError(f"serial port {device}: no device answers there", hint="edge-sdk doctor")
    if isinstance(fault, (ValueError, OverflowError)) and not isinstance(fault, serial.SerialException):
        return ConfigError(f"serial port {device}: {baud} baud is refused: {text}")
    return TargetNotFoundError(
        f"serial port {device}: cannot be opened as a serial port: {text}", hint="edge-sdk doctor"
    )
