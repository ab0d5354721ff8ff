"""Results to an MQTT broker, at least once while this process lives: queue, window, confirmation, reconnection.

    publish() --> queue (bounded, the oldest are dropped) --> in flight (at most the broker's window) --PUBACK--> gone
                    ^-------------- put back in front when the connection is lost --------------'

One worker thread owns the connection. MQTT 5 is tried first; 3.1.1 only when CONNACK says that the version is not
supported. A broker that is away is tried again for ever, with growing pauses, unless `required`.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from paho.mqtt.enums import MQTTProtocolVersion

from edge_sdk.config import Where
from edge_sdk.errors import AccessDeniedError, TransferError
from edge_sdk.publish.mqtt_connection import (
    REFUSED_CREDENTIALS,
    UNSUPPORTED_VERSION,
    V5,
    V311,
    VERSION_NAMES,
    Confirmed,
    Connected,
    Connection,
    Doorbell,
    Lost,
)
from edge_sdk.publish.mqtt_settings import MqttOptions, settings_of
from edge_sdk.publish.payload import encode
from edge_sdk.reading import Result

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
#: A connection that lived this long was a good one: the next pause starts small again. A shorter one may be two
#: clients with one id that throw each other out.
GOOD_CONNECTION_S = 5.0
FAREWELL_S = 1.0
#: After this long without CONNACK the broker is asked whether it knows MQTT 5 at all.
SILENCE_S = 1.0


@dataclass(frozen=True)
class _Message:
    topic: str
    data: bytes
    retain: bool = False


class MqttSink:
    """The row `mqtt` of SINKS."""

    Options = MqttOptions

    def __init__(self, options: MqttOptions, where: Where, pipeline: str, device: str) -> None:
        self._options = options
        self._settings = settings_of(options, where, pipeline, device)
        self._lock = threading.Lock()
        self._queue: deque[_Message] = deque()
        self._flying: dict[int, _Message] = {}
        self._window = 0
        self._since_s = 0.0
        self._version = V5
        self._problem = ""
        self._refused = False
        self._connected = threading.Event()
        self._first_verdict = threading.Event()
        self._stop_at_s: float | None = None
        self._thread: threading.Thread | None = None
        self._counts = {"sent": 0, "delivered": 0, "refused": 0, "dropped": 0, "connections": 0}

    def open(self) -> None:
        """Start connecting; with `required`, wait for the broker.

        Raises:
            TransferError: `required`, and the broker was not reached in time.
            AccessDeniedError: `required`, and the broker refused the credentials.
        """
        self._doorbell = Doorbell()
        self._thread = threading.Thread(target=self._run, name=f"mqtt {self._settings.address}", daemon=True)
        self._thread.start()
        if not self._options.required:
            return
        self._first_verdict.wait(self._options.connect_timeout_s)
        if self._connected.is_set():
            return
        problem, refused = self._problem or "no answer to CONNECT", self._refused
        self._finish(0.0)
        if refused:
            raise AccessDeniedError(
                f"MQTT broker {self._settings.address}: {problem}", hint="check username and password"
            )
        raise TransferError(
            f"MQTT broker {self._settings.address}: not reached in {self._options.connect_timeout_s:g} s: {problem}",
            hint="check the url and the broker, or leave out `required` to start without it",
        )

    def publish(self, result: Result) -> None:
        topic = self._settings.topic.replace("{step}", result.step)
        with self._lock:
            if len(self._queue) >= self._options.queue:
                self._queue.popleft()
                self._counts["dropped"] += 1
                _loudly(
                    self._counts["dropped"], "MQTT broker %s: queue full, results dropped: %d", self._settings.address
                )
            self._queue.append(_Message(topic, encode(result)))
        self._doorbell.ring()

    def close(self) -> None:
        """Deliver what is queued within `flush_timeout_s`, say "offline", and disconnect."""
        if self._thread is None:
            return
        self._finish(self._options.flush_timeout_s)
        left = self._waiting()
        if left:
            log.error("MQTT broker %s: %d results were not delivered: %s", self._settings.address, left, self._problem)

    def counts(self) -> Mapping[str, int]:
        return {**self._counts, "waiting": self._waiting()}

    @property
    def state(self) -> str:
        if self._connected.is_set():
            return f"connected ({VERSION_NAMES[self._version]})"
        return f"not connected: {self._problem or 'no answer yet'}"

    def _waiting(self) -> int:
        with self._lock:
            return len(self._queue) + len(self._flying)

    def _finish(self, flush_s: float) -> None:
        thread, self._thread = self._thread, None
        self._stop_at_s = time.monotonic() + flush_s
        self._doorbell.ring()
        if thread is not None:
            thread.join(flush_s + 2 * FAREWELL_S)

    # All below runs on the worker thread.

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._may_end():
            connection = self._connect(self._version)
            if connection is None:
                pause_s = self._rest(pause_s)
                continue
            self._since_s = time.monotonic()
            lost = self._serve(connection)
            self._connected.clear()
            connection.close()
            self._land()
            if lost:
                pause_s = FIRST_PAUSE_S if self._was_good() else self._rest(pause_s)
        self._doorbell.close()

    def _was_good(self) -> bool:
        return time.monotonic() - self._since_s >= GOOD_CONNECTION_S

    def _may_end(self) -> bool:
        return self._stop_at_s is not None and (time.monotonic() >= self._stop_at_s or not self._waiting())

    def _rest(self, pause_s: float) -> float:
        """Wait before the next attempt, with jitter; return the next pause. Closing ends it early."""
        until_s = time.monotonic() + pause_s * random.uniform(0.8, 1.2)  # noqa: S311
        while (left_s := until_s - time.monotonic()) > 0 and not self._may_end():
            if self._stop_at_s is not None:
                left_s = min(left_s, max(0.0, self._stop_at_s - time.monotonic()))
            self._doorbell.wait(left_s)
        return min(2 * pause_s, LONGEST_PAUSE_S)

    def _connect(self, version: MQTTProtocolVersion) -> Connection | None:
        """Return a connection whose CONNACK was good, or None."""
        connection = Connection(self._settings, version, self._options.keepalive_s, self._doorbell)
        problem = connection.open(self._options.connect_timeout_s)
        if problem:
            self._failed(problem)
            return None
        deadline_s = time.monotonic() + self._options.connect_timeout_s
        answer = self._answer(connection, min(deadline_s, time.monotonic() + SILENCE_S))
        if not isinstance(answer, Connected) and version == V5 and not self._may_end() and self._is_too_old():
            connection.close()
            return self._connect(V311)
        if answer is None:
            answer = self._answer(connection, deadline_s)
        if isinstance(answer, Connected):
            return self._judged(connection, answer)
        connection.close()
        if answer is not None or time.monotonic() >= deadline_s:
            self._failed(f"no MQTT answer: {answer.reason}" if answer else "no answer to CONNECT in time")
        return None

    def _answer(self, connection: Connection, until_s: float) -> Connected | Lost | None:
        """Wait for CONNACK or the end of the connection."""
        while (left_s := until_s - time.monotonic()) > 0 and not self._may_end():
            for event in connection.wait(left_s):
                if isinstance(event, (Connected, Lost)):
                    return event
        return None

    def _is_too_old(self) -> bool:
        """Ask with the plainest CONNECT of MQTT 5.

        A broker of 3.1.1 may trip over the will's new fields, and then hang up or say nothing (amqtt does); the plain
        packet it understands well enough to refuse its version.
        """
        question = Connection(self._settings, V5, self._options.keepalive_s, self._doorbell, plain=True)
        if question.open(self._options.connect_timeout_s):
            return False
        answer = self._answer(question, time.monotonic() + SILENCE_S)
        question.close()
        return isinstance(answer, Connected) and answer.code == UNSUPPORTED_VERSION

    def _judged(self, connection: Connection, answer: Connected) -> Connection | None:
        if answer.code < 0x80:
            self._window, self._version = answer.window, connection.version
            self._counts["connections"] += 1
            level = logging.WARNING if self._problem else logging.INFO
            log.log(level, "MQTT broker %s: connected (%s)", self._settings.address, VERSION_NAMES[connection.version])
            self._problem = ""
            self._connected.set()
            self._first_verdict.set()
            return connection
        connection.close()
        if answer.code == UNSUPPORTED_VERSION and connection.version == V5:
            log.info("MQTT broker %s: has no MQTT 5, going on with 3.1.1", self._settings.address)
            return self._connect(V311)
        self._failed(f"the broker refused: {answer.reason}")
        if answer.code in REFUSED_CREDENTIALS:
            self._refused = True
            self._first_verdict.set()
        return None

    def _failed(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("MQTT broker %s: %s; trying again, results wait", self._settings.address, problem)
        self._problem = problem

    def _serve(self, connection: Connection) -> bool:
        """Publish until the connection is lost (True) or everything is done and the sink is closing (False)."""
        self._send(connection, _Message(self._settings.status_topic, b"online", retain=True))
        while True:
            self._fill(connection)
            if self._may_end():
                self._farewell(connection)
                return False
            wait_s = 60.0 if self._stop_at_s is None else max(0.0, self._stop_at_s - time.monotonic())
            if self._lost(connection, wait_s):
                return True

    def _lost(self, connection: Connection, wait_s: float) -> bool:
        """Take what the network brings; return whether the connection is over."""
        over = False
        for event in connection.wait(wait_s):
            if isinstance(event, Lost):
                thief = "" if self._was_good() else f" (does another client use the id {self._settings.client_id}?)"
                self._failed(f"connection lost: {event.reason}{thief}")
                over = True
            elif isinstance(event, Confirmed):
                self._confirm(event)
        return over

    def _fill(self, connection: Connection) -> None:
        while len(self._flying) < self._window:
            with self._lock:
                if not self._queue:
                    return
                message = self._queue.popleft()
                self._flying[0] = message  # counted as waiting until its number is known
            self._send(connection, message)

    def _send(self, connection: Connection, message: _Message) -> None:
        mid = connection.publish(message.topic, message.data, retain=message.retain)
        with self._lock:
            self._flying.pop(0, None)
            self._flying[mid] = message
        self._counts["sent"] += not message.retain

    def _confirm(self, event: Confirmed) -> None:
        with self._lock:
            message = self._flying.pop(event.mid, None)
        if message is None:
            return
        if event.code < 0x80:
            self._counts["delivered"] += not message.retain
            return
        self._counts["refused"] += 1
        text = f"MQTT broker %s: refused a message to {message.topic}: {event.reason}; refused so far: %d"
        _loudly(self._counts["refused"], text, self._settings.address)

    def _farewell(self, connection: Connection) -> None:
        self._send(connection, _Message(self._settings.status_topic, b"offline", retain=True))
        until_s = time.monotonic() + FAREWELL_S
        while self._flying and (left_s := until_s - time.monotonic()) > 0:
            if self._lost(connection, left_s):
                break

    def _land(self) -> None:
        """Put what was not confirmed back in front of the queue, in order. Status messages are not repeated."""
        with self._lock:
            self._queue.extendleft(reversed([message for message in self._flying.values() if not message.retain]))
            self._flying.clear()


def _loudly(count: int, text: str, address: str) -> None:
    """Warn at 1, 10, 100, 1000, then at every further 1000."""
    if count in (1, 10, 100) or count % 1000 == 0:
        log.warning(text, address, count)
