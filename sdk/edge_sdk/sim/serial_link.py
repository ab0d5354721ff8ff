"""A simulated sensor on a pseudo-terminal: any program that reads a serial port can read it.

    | a5 5a | counter u16 | 60 samples i16, rows interleaved by channel | CRC-16/CCITT over counter and samples |
    little endian, the CRC most significant byte first; 126 bytes, 200 frames/s at 12 kHz and one channel

Two ways to send. Live: frames leave on time, and one that nobody takes is lost, as on a wire; the counter tells. With
`wait = True` the simulated time waits for the reader, so nothing is ever lost: for replays faster than real time.
"""

from __future__ import annotations

import os
import select
import termios
import threading
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import DeadlineError, TransferError, UsageError
from edge_sdk.sensors.crc import CHECKSUMS

SYNC = bytes.fromhex("a55a")
#: Samples in a frame, all channels together.
FRAME_SAMPLES = 60
CRC = "crc16-ccitt"
#: Bytes that no frame begins with; a reader that drops them has opened the port.
_PREAMBLE = bytes(16)


@dataclass(frozen=True)
class FrameFormat:
    """How the sensor sends: `options()` is what a pipeline file says to read it.

    Attributes:
        scale: value of one count.
        channels: samples in a row.
    """

    scale: float = 0.0005
    channels: int = 1

    def options(self) -> dict[str, Any]:
        """Return the keys `frame` and `channels` of a serial source that reads this."""
        frame = {"format": f"<H{FRAME_SAMPLES}h", "sync": SYNC.hex(), "crc": CRC, "seq": 0}
        return {"frame": frame, "channels": [{"name": f"ch{i}", "scale": self.scale} for i in range(self.channels)]}

    def encode(self, samples: NDArray[np.float32], counter: int) -> list[bytes]:
        """Return whole frames of float32 [n, channels]; n * channels is a multiple of FRAME_SAMPLES.

        Values beyond 16 bits are clipped, as a sensor's converter does.
        """
        if samples.size % FRAME_SAMPLES or FRAME_SAMPLES % self.channels:
            raise UsageError(f"expected whole frames of {FRAME_SAMPLES} samples, got {samples.shape}")
        counts = np.clip(np.round(samples.astype(np.float64) / self.scale), -32768, 32767)
        payload = np.empty((samples.size // FRAME_SAMPLES, 1 + FRAME_SAMPLES), "<u2")
        payload[:, 0] = (counter + np.arange(len(payload))) & 0xFFFF
        payload[:, 1:] = counts.reshape(-1, FRAME_SAMPLES).astype("<i2").view("<u2")
        rows = payload.view(np.uint8)
        return [
            SYNC + row.tobytes() + int(crc).to_bytes(2, "big")
            for row, crc in zip(rows, CHECKSUMS[CRC].of_rows(rows), strict=True)
        ]


class PtyLink:
    """The sensor's end of a pseudo-terminal; `port` is the path for the reader."""

    def __init__(self) -> None:
        self._sensor, self._reader = os.openpty()
        tty.setraw(self._reader)  # no echo, no line ends changed, no control characters
        os.set_blocking(self._sensor, False)
        self.port = os.ttyname(self._reader)
        self._rest = b""

    def __enter__(self) -> PtyLink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up: readers get an I/O error, as from an unplugged cable."""
        for handle in (self._sensor, self._reader):
            if handle >= 0:
                os.close(handle)
        self._sensor = self._reader = -1

    def send(self, frame: bytes, *, wait_s: float = 0.0) -> bool:
        """Send a frame whole or not at all; return whether it went. Waits at most `wait_s` for room."""
        until_s = time.monotonic() + wait_s
        if not self.flush(wait_s=wait_s):
            return False
        while True:
            sent = self._write(frame)
            if sent:
                self._rest = frame[sent:]
                return True
            if not self._wait_for_room(until_s):
                return False

    def flush(self, *, wait_s: float = 0.0) -> bool:
        """Send what is left of a frame that went in part; return whether nothing is left."""
        until_s = time.monotonic() + wait_s
        while self._rest:
            self._rest = self._rest[self._write(self._rest) :]
            if self._rest and not self._wait_for_room(until_s):
                return False
        return True

    def wait_for_reader(self, timeout_s: float, stop: threading.Event | None = None) -> bool:
        """Return True when a reader has opened the port and is past flushing its input; False when `stop` is set.

        Raises:
            DeadlineError: nobody came in time.
        """
        until_s = time.monotonic() + timeout_s
        stop = stop or threading.Event()
        os.close(self._reader)  # while nobody holds the reader's end, the sensor's end is hung up: that can be seen
        self._reader = -1
        poll = select.poll()
        poll.register(self._sensor, 0)
        while any(event & select.POLLHUP for _, event in poll.poll(0)):
            if self._stopped(stop, until_s):
                return False
        self._reader = os.open(self.port, os.O_RDWR | os.O_NOCTTY)
        if termios.tcgetattr(self._reader)[3] & termios.ICANON:  # a reader that leaves the line as it found it
            tty.setraw(self._reader, termios.TCSANOW)
        # What was sent between opening and flushing would be lost. Whoever takes the preamble is past both.
        self._write(_PREAMBLE)
        while not self._stopped(stop, until_s):
            if not select.select([self._reader], [], [], 0)[0]:
                return True
        return False

    def _stopped(self, stop: threading.Event, until_s: float) -> bool:
        if time.monotonic() > until_s:
            raise DeadlineError(f"nobody opened {self.port} and read from it")
        return stop.wait(0.02)

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self._sensor, data)
        except BlockingIOError:
            return 0
        except OSError as fault:
            raise TransferError(f"{self.port}: {fault.strerror}") from fault

    def _wait_for_room(self, until_s: float) -> bool:
        left_s = until_s - time.monotonic()
        return left_s > 0 and bool(select.select([], [self._sensor], [], left_s)[1])


class SimulatedSensor:
    """Streams samples into a link at the pace of a clock.

    Args:
        link: where to.
        read: returns the next n samples, float32 [n, channels]; fewer rows end the stream.
        rate_hz: samples per second and channel of simulated time.
        speed: simulated seconds per real second; 0 = as fast as the reader takes them (only with `wait`).
        wait: see the module.
    """

    def __init__(
        self,
        link: PtyLink,
        read: Callable[[int], NDArray[np.float32]],
        rate_hz: float,
        *,
        frame_format: FrameFormat | None = None,
        speed: float = 1.0,
        wait: bool = False,
    ) -> None:
        if speed < 0 or (speed == 0 and not wait):
            raise UsageError(f"speed: expected a number above 0, got {speed}")
        self._link, self._read, self._rate_hz, self._speed, self._wait = link, read, rate_hz, speed, wait
        self._format = frame_format or FrameFormat()
        self._rows = FRAME_SAMPLES // self._format.channels
        self.frames = 0
        self.lost = 0

    @property
    def time_s(self) -> float:
        """Simulated time that has been sent."""
        return self.frames * self._rows / self._rate_hz

    def run(self, stop: threading.Event, on_progress: Callable[[float], None] | None = None) -> None:
        """Stream until `stop` is set or the samples end; `on_progress(time_s)` comes after each 20 ms or so."""
        per_piece = max(1, round(0.02 * max(self._speed, 1.0) * self._rate_hz / self._rows))
        start_s = time.monotonic()
        while not stop.is_set():
            samples = self._read(per_piece * self._rows)
            whole = len(samples) // self._rows * self._rows
            for frame in self._format.encode(samples[:whole], self.frames):
                self._send(frame, stop)
            if on_progress:
                on_progress(self.time_s)
            if len(samples) < per_piece * self._rows:
                break
            if self._speed:
                stop.wait(max(0.0, start_s + self.time_s / self._speed - time.monotonic()))
        while self._wait and not stop.is_set() and not self._link.flush(wait_s=0.2):
            pass

    def _send(self, frame: bytes, stop: threading.Event) -> None:
        sent = self._link.send(frame)
        while self._wait and not sent and not stop.is_set():
            sent = self._link.send(frame, wait_s=0.2)
        self.frames += 1
        self.lost += not sent
