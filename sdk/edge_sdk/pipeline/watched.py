"""A run tells whoever watches over it that it lives: the health file once a second, systemd's sd_notify(3).

    EDGE_SDK_HEALTH   the file, see edge_sdk.health
    NOTIFY_SOCKET     READY=1 when the sources are open, STOPPING=1 before they are closed
    WATCHDOG_USEC     WATCHDOG=1 at half of this time

Both speak from `tick`, which the worker calls also while no data comes: a step that hangs silences them, and that is
what makes them worth listening to. Neither ever ends a run.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_sdk.health import VARIABLE, HealthReport, SinkHealth, SourceHealth, write_health
from edge_sdk.pipeline.build import Pipeline
from edge_sdk.pipeline.runner import Observer
from edge_sdk.pipeline.stats import Snapshot
from edge_sdk.units import printable

log = logging.getLogger(__name__)

REPORT_EVERY_S = 1.0
#: Without a watchdog: how often the status line is renewed.
STATUS_EVERY_S = 10.0
#: A manager that does not take a message within this time does not get it.
PATIENCE_S = 1.0

Clock = Callable[[], float]


def watchers(environment: Mapping[str, str] | None = None) -> list[Observer]:
    """Return who has to be told, by the variables of the environment (default: the process's)."""
    variables = os.environ if environment is None else environment
    found: list[Observer] = []
    if path := variables.get(VARIABLE):
        found.append(HealthFile(Path(path)))
    if address := variables.get("NOTIFY_SOCKET"):
        found.append(ServiceManager(address, watchdog_s(variables)))
    return found


def watchdog_s(variables: Mapping[str, str]) -> float:
    """Return the longest silence that systemd bears from this process; 0 for any."""
    try:
        limit_us, pid = int(variables.get("WATCHDOG_USEC", "0")), int(variables.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return 0.0
    return max(0, limit_us) / 1e6 if pid == os.getpid() else 0.0


class HealthFile(Observer):
    """Writes the report once a second, and when there is a first result: somebody may be waiting for it.

    A folder that is not there or full is said once.
    """

    def __init__(self, path: Path, monotonic: Clock = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._started_s = 0.0
        self._next_s = 0.0
        self._fruitless = True
        self._complained = False

    def started(self, pipeline: Pipeline) -> None:
        """Take the time; the first tick, which follows at once, brings the figures."""
        self._started_s = self._next_s = self._monotonic()

    def tick(self, snapshot: Snapshot) -> None:
        now_s = self._monotonic()
        is_news = self._fruitless and snapshot.results > 0
        if now_s < self._next_s and not is_news:
            return
        self._next_s = now_s + REPORT_EVERY_S
        self._fruitless = not snapshot.results
        try:
            write_health(self._path, health_report(snapshot, self._started_s, now_s))
        except OSError as fault:
            if not self._complained:
                log.warning("%s: health cannot be written: %s", self._path, fault.strerror or fault)
            self._complained = True


def health_report(snapshot: Snapshot, started_s: float, now_s: float) -> HealthReport:
    """Return the figures as a report."""
    total = snapshot.stages.get("total")
    return HealthReport(
        schema=1,
        pid=os.getpid(),
        started_s=started_s,
        at_s=now_s,
        results=snapshot.results,
        p99_ms=1000 * total.p99_s if total else 0.0,
        faults=snapshot.faults,
        restarts=snapshot.restarts,
        sources={name: SourceHealth(heard.readings, heard.at_s) for name, heard in snapshot.heard.items()},
        sinks={
            # In a full outbox each new result costs an old one: what waits is as many as before, and the line is well.
            name: SinkHealth(counts.get("delivered", 0), counts.get("waiting", 0) + counts.get("dropped", 0))
            for name, counts in snapshot.sinks.items()
        },
    )


class ServiceManager(Observer):
    """Speaks to systemd.

    Args:
        address: of its socket: a path, or @NAME in the abstract namespace.
        silence_s: the longest it bears; 0 for any.
    """

    def __init__(self, address: str, silence_s: float, monotonic: Clock = time.monotonic) -> None:
        self._address = address
        self._alive = ("WATCHDOG=1",) if silence_s else ()
        self._every_s = silence_s / 2 if silence_s else STATUS_EVERY_S
        self._monotonic = monotonic
        self._next_s = 0.0

    def started(self, pipeline: Pipeline) -> None:
        notify(self._address, "READY=1")
        self._next_s = self._monotonic()

    def tick(self, snapshot: Snapshot) -> None:
        now_s = self._monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            notify(self._address, *self._alive, f"STATUS={status_line(snapshot)}")

    def stopping(self) -> None:
        notify(self._address, "STOPPING=1", "STATUS=delivering what waits")


def status_line(snapshot: Snapshot) -> str:
    """Return the figures in one line."""
    losses = f"{snapshot.gaps} gaps, {snapshot.faults} model faults"
    if snapshot.restarts:
        losses += f", {snapshot.restarts} restarts"
    parts = [f"{snapshot.results} results ({snapshot.results_per_s:.1f}/s), {losses}", *snapshot.sink_states.values()]
    return printable("; ".join(parts)).replace("\n", " ")


def notify(address: str, *assignments: str) -> None:
    """Send one datagram of NAME=VALUE lines; one that cannot be sent is lost."""
    if not address.startswith(("/", "@")):
        return
    place = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(PATIENCE_S)
            sender.sendto("\n".join(assignments).encode("utf-8", "replace"), place)
    except OSError as fault:
        log.debug("%s: not notified: %s", address, fault)
