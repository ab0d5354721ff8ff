"""The system under test, and those who watch it; only the pipeline's process is edge-sdk's.

feed (pty) --> edge-sdk run --QoS 1--> mosquitto --> subscriber (process) --> received
                    '--- accepted ids --> named pipe --> recorder (process) --> accepted
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.broker import Mosquitto, mosquitto, until
from tests.faults.feed import PIPELINE_SOURCE, Feed
from tests.support import REPOSITORY

#: The broker as docs/delivery.md advises: nothing for a live subscriber waits in its memory for an acknowledgement, and
#: what is on its way when it ends cleanly is written down.
BROKER = ("allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 0", "persistence true")
#: docs/delivery.md: what a broker took while nobody subscribed is gone.
RETRY = 'no_subscribers = "retry"'
WINDOW = 100
PATIENCE_S = 60.0
#: More figures that must be 0.
_WRONG = ("damaged", "missing", "stopped", "uncounted")

PIPELINE = """name = "line"
device = "bench"

[sources.sensor]
type = "serial"
port = "{port}"
rate_hz = {rate_hz}
{frame}

[[steps]]
id = "win"
use = "window"
input = "sensor"
size = 4

[[sinks]]
type = "mqtt"
input = "win"
url = "{url}"
flush_timeout_s = 60
keepalive_s = 5
{options}
outbox = {{ path = "{path}", accepted_log = "accepted.pipe", backlog_rate_hz = 0{outbox} }}
"""


@dataclass
class Figures:
    """What an audit found.

    Attributes:
        lost: ids that were accepted and never received.
        duplicates: messages received again; `most_after_a_fault`: between one fault and the next.
        bound_95: upper end of the 95 % interval of the probability that a fault loses something, when none did (3/n).
    """

    fault: str
    seed: int
    count: int
    accepted: int = 0
    received: int = 0
    lost: int = 0
    lost_ids: list[int] = field(default_factory=list)
    duplicates: int = 0
    most_after_a_fault: int = 0
    out_of_order: int = 0
    bound_95: float | None = None
    seconds: float = 0.0
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return self.accepted > 0 and not any((self.lost, *(self.more.get(name, 0) for name in _WRONG)))

    def as_dict(self) -> dict[str, Any]:
        table = asdict(self)
        return {**{name: value for name, value in table.items() if name != "more"}, **self.more}


class Line:
    """Everything, from the port to the subscriber; use `with`.

    Args:
        rate_hz: samples a second; a result is made of four.
        options, outbox: more keys of the sink and of its outbox; `path`: the outbox's file.
        host: another address of the broker, for the pipeline; `prefix`: what the pipeline's command begins with.
        environment: more variables for the pipeline's process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rate_hz: float = 2000,
        options: str = "",
        outbox: str = "",
        broker: tuple[str, ...] = BROKER,
        environment: dict[str, str] | None = None,
        path: str = "o.db",
        host: str = "",
        prefix: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.faults_s: list[float] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = environment or {}
        self._broker_lines = broker
        self._rate_hz = rate_hz
        self._options, self._outbox, self._path = options, outbox, path
        self._host, self._prefix = host, list(prefix)
        self._stack = ExitStack()
        self._began_s = time.monotonic()

    def __enter__(self) -> Line:
        with ExitStack() as stack:
            (self.folder / "broker").mkdir()
            lines = [*self._broker_lines, f"persistence_location {self.folder}/broker/"]
            if self._host:
                lines.append(f"listener {{port}} {self._host}")
            self.broker: Mosquitto = stack.enter_context(mosquitto(self.folder, *lines))
            feed = Feed(self._rate_hz)
            stack.callback(feed.close)
            os.mkfifo(self.folder / "accepted.pipe")
            self._watch(stack, "recorder", str(self.folder / "accepted.pipe"), str(self.folder / "accepted"))
            topic = "edge/bench/line/win"
            self._watch(stack, "subscriber", str(self.broker.port), topic, str(self.folder / "received"))
            text = PIPELINE.format(
                port=feed.port,
                rate_hz=self._rate_hz,
                frame=PIPELINE_SOURCE,
                url=self.broker.url.replace("127.0.0.1", self._host or "127.0.0.1"),
                options=self._options,
                path=self._path,
                outbox=f", {self._outbox}" if self._outbox else "",
            )
            (self.folder / "p.toml").write_text(text)
            stack.callback(self.kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *arguments: object) -> None:
        self._stack.close()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the pipeline."""
        command = [*self._prefix, sys.executable, "-m", "edge_sdk.cli.main", "run", "p.toml"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        return self.process

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def fault(self) -> None:
        """Remember that a fault comes now."""
        self.faults_s.append(time.time())

    def accepted(self) -> list[int]:
        return [int(line) for line in _lines(self.folder / "accepted")]

    def received(self) -> list[tuple[float, int, bool]]:
        rows = (line.split() for line in _lines(self.folder / "received"))
        return [(float(at), int(number), historical == "1") for at, number, historical in rows]

    def until_accepted(self, more: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until so many more messages than now are accepted."""
        size = _size(self.folder / "accepted")
        goal = size + 17 * more  # 16 digits and a line's end
        process = self.process

        def is_there() -> bool:
            ended = process is not None and process.poll() is not None
            assert not ended, f"the pipeline ended: {(self.folder / 'log').read_text()[-2000:]}"
            return _size(self.folder / "accepted") >= goal

        until(is_there, f"{more} more accepted messages", patience_s)

    def drain(self, patience_s: float = PATIENCE_S) -> None:
        """Stop the pipeline and run it until nothing waits: SIGTERM delivers first."""
        process = self.process or self.start()
        time.sleep(1.0)
        process.terminate()
        process.wait(patience_s)
        self.process = None
        deadline_s, goal = time.monotonic() + 5.0, set(self.accepted())
        while time.monotonic() < deadline_s and not goal <= {number for _, number, _ in self.received()}:
            time.sleep(0.05)

    def audit(self, fault: str, seed: int, count: int, **more: Any) -> Figures:
        """Compare what was accepted with what arrived."""
        accepted, received = self.accepted(), self.received()
        numbers = Counter(number for _, number, _ in received)
        lost = sorted(set(accepted) - numbers.keys())
        figures = Figures(fault, seed, count, len(set(accepted)), len(numbers), len(lost), lost[:20], more=more)
        figures.duplicates = sum(numbers.values()) - len(numbers)
        figures.most_after_a_fault = max(self._duplicates_between(received), default=0)
        figures.out_of_order = _out_of_order(received)
        figures.bound_95 = min(1.0, round(3 / count, 6)) if not lost and count else None
        figures.seconds = round(time.monotonic() - self._began_s, 1)
        return figures

    def _duplicates_between(self, received: list[tuple[float, int, bool]]) -> list[int]:
        """Return how many messages came again between each fault and the next."""
        counts = [0] * (len(self.faults_s) + 1)
        seen: set[int] = set()
        for at_s, number, _ in received:
            if number in seen:
                counts[sum(fault_s <= at_s for fault_s in self.faults_s)] += 1
            seen.add(number)
        return counts

    def _watch(self, stack: ExitStack, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"tests.faults.{module}", *arguments]
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        assert process.stdout.readline() == b"ready\n", f"{module} did not start"


def _out_of_order(received: list[tuple[float, int, bool]]) -> int:
    """Return how many messages came for the first time after a later one of their kind (live, historical)."""
    seen: set[int] = set()
    highest = {False: 0, True: 0}
    wrong = 0
    for _, number, historical in received:
        if number in seen:
            continue
        seen.add(number)
        wrong += number < highest[historical]
        highest[historical] = max(highest[historical], number)
    return wrong


def _lines(path: Path) -> list[str]:
    """Return whole lines only: somebody is writing."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
