"""A sensor on a pseudo-terminal: so many samples a second, for whoever has the port open; it outlives its readers."""

from __future__ import annotations

import os
import struct
import threading
import time
import tty
from contextlib import suppress

FRAME = struct.Struct("<2sh")
SYNC = b"\xa5\x5a"
PIPELINE_SOURCE = 'frame = { format = "<h", sync = "a55a" }'


class Feed:
    """Writes until `close`; what nobody reads is lost, as on a wire."""

    def __init__(self, rate_hz: float) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._rate_hz = rate_hz
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        count, began_s = 0, time.monotonic()
        while not self._stop.wait(0.01):
            due = int((time.monotonic() - began_s) * self._rate_hz)
            data = b"".join(FRAME.pack(SYNC, number % 20000) for number in range(count, due))
            count = due
            with suppress(BlockingIOError):
                os.write(self._master, data)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)
