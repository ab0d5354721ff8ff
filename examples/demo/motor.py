"""The simulated motor as a process of its own: `edge-sdk sim motor`, whose events come as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from edge_sdk.errors import DeadlineError

PATIENCE_S = 30.0


class SimulatedMotor:
    """Runs until `with` is left. The motor starts turning when somebody opens its port.

    Attributes:
        port: path of its serial port.
        fault_began_s: monotonic time at which the fault began, None before.
        fault_began_utc: the same as a stamp, "" before.
    """

    def __init__(self, fault: str, fault_at_s: float) -> None:
        self.fault = fault
        self.fault_began_s: float | None = None
        self.fault_began_utc = ""
        self._port: SimpleQueue[str] = SimpleQueue()
        options = ["--fault", fault, "--fault-at", f"{fault_at_s:g}", "--when-opened", "--json"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge_sdk.cli.main", "sim", "motor", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._listener = threading.Thread(target=self._listen, name="motor events", daemon=True)
        self._listener.start()
        try:
            self.port = self._port.get(timeout=PATIENCE_S)
        except Empty:
            self._process.kill()
            raise DeadlineError(f"the simulated motor did not start in {PATIENCE_S:g} s") from None

    def __enter__(self) -> SimulatedMotor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._listener.join(PATIENCE_S)

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            event: dict[str, Any] = json.loads(line)
            if event["event"] == "port":
                self._port.put(event["port"])
            elif event["event"] == "fault":
                self.fault_began_utc = event["utc"]
                self.fault_began_s = event["time_s"]
