"""Carries messages from an outbox to a broker: connects, keeps a window in flight, reads each PUBACK, begins again.

    outbox --take--> flying (at most Receive Maximum) --PUBACK--> settle
              ^-- put_back: the connection was lost, or the broker cannot take it now --'

One worker thread owns the connection. MQTT 5 is tried first; 3.1.1 only when CONNACK says that the version is not
supported. A broker that is away is tried again for ever, with growing pauses. What PUBACK says (MQTT 5, section
3.4.2.1) decides: below 0x80 it is delivered, some codes are about this moment and it is tried again, others are for
good and the message becomes a dead letter, as does one over which the broker hangs up again and again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from paho.mqtt.enums import MQTTProtocolVersion

from edge_sdk.publish.certificates import SOON_DAYS, ClockFloor, days_left
from edge_sdk.publish.mqtt_connection import (
    MAX_PACKET_BYTES,
    NOT_YET_VALID,
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
    Received,
)
from edge_sdk.publish.mqtt_settings import MqttOptions, Settings
from edge_sdk.publish.outbox import Outbox
from edge_sdk.publish.outbox_options import state_folder
from edge_sdk.publish.outbox_records import Message
from edge_sdk.publish.payload import as_historical

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
#: A connection that lived this long was a good one: the next pause starts small again. A shorter one may be two
#: clients with one id that throw each other out.
GOOD_CONNECTION_S = 5.0
FAREWELL_S = 1.0
#: After this long without CONNACK the broker is asked whether it knows MQTT 5 at all.
SILENCE_S = 1.0
#: PUBACK: nobody subscribes to the topic.
NO_SUBSCRIBERS = 0x10
#: PUBACK: not authorized, topic name invalid, payload format invalid. Sending it again would not help.
FOR_GOOD = frozenset({0x87, 0x90, 0x99})
#: Other refusals, and connections lost over one message alone, before it becomes a dead letter.
ATTEMPTS = 10
HANGUPS = 5
#: Connections in a row that confirmed nothing, after which messages go one at a time, to find the one to blame.
BARREN = 3
HOLD_S = 1.0
BIRTH_JITTER_S = 2.0
#: Of PUBLISH: fixed header, lengths, packet id, properties.
PACKET_BYTES = 16


class Courier:
    """The worker.

    Args:
        report: returns what the report topic gets now.
        birth_topic: where somebody who wants the announcements again says "online"; "": nobody does.
        keep_announced: leave them with the broker at the end; else they are removed.
    """

    def __init__(
        self,
        settings: Settings,
        options: MqttOptions,
        outbox: Outbox,
        doorbell: Doorbell,
        report: Callable[[], bytes],
        birth_topic: str = "",
        *,
        keep_announced: bool = False,
    ) -> None:
        self._settings = settings
        self._options = options
        self._outbox = outbox
        self._doorbell = doorbell
        self._report = report
        self._birth_topic = birth_topic
        self._keep_announced = keep_announced
        self._announced: dict[str, bytes] = {}
        self._announce_at_s = float("inf")
        self._flying: dict[int, Message] = {}
        self._notes: set[int] = set()
        self._notes_due: list[tuple[str, bytes]] = []
        self._window = 1
        self._max_packet_bytes = MAX_PACKET_BYTES
        self._retains = True
        self._attempts: dict[int, int] = {}
        self._hangups: dict[int, int] = {}
        self._barren = 0
        self._hold_until_s = 0.0
        self._report_at_s = 0.0
        self._since_s = 0.0
        self._confirmed_any = False
        self._version = V5
        self._stop_at_s: float | None = None
        self._thread: threading.Thread | None = None
        self._clock = ClockFloor(state_folder() / "clock")
        self.certificate_days: dict[str, float | None] = {}
        self.problem = ""
        self.refused = False
        self.connected = threading.Event()
        self.first_verdict = threading.Event()
        self.counts = {"sent": 0, "delivered": 0, "refused": 0, "connections": 0}

    def start(self) -> None:
        self._doorbell.open()
        self._thread = threading.Thread(target=self._run, name=f"mqtt {self._settings.address}", daemon=True)
        self._thread.start()

    def stop(self, flush_s: float) -> None:
        """Deliver what waits within the time, say "offline", disconnect."""
        thread, self._thread = self._thread, None
        self._stop_at_s = time.monotonic() + flush_s
        self._doorbell.ring()
        if thread is not None:
            thread.join(flush_s + 2 * FAREWELL_S)

    def announce(self, topic: str, data: bytes) -> None:
        """Keep a retained message with the broker until the end; any thread may ask for it."""
        self._announced[topic] = data
        self._announce_at_s = 0.0
        self._doorbell.ring()

    @property
    def state(self) -> str:
        if self.connected.is_set():
            return f"connected ({VERSION_NAMES[self._version]})"
        return f"not connected: {self.problem or 'no answer yet'}"

    # All below runs on the worker thread.

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._may_end():
            connection = self._connect(self._version)
            if connection is None:
                pause_s = self._rest(pause_s)
                continue
            self._since_s = time.monotonic()
            self._confirmed_any = False
            lost = self._serve(connection)
            self.connected.clear()
            connection.close()
            self._land(lost)
            if lost is not None:
                pause_s = FIRST_PAUSE_S if self._was_good() else self._rest(pause_s)
        self._doorbell.close()

    def _was_good(self) -> bool:
        return time.monotonic() - self._since_s >= GOOD_CONNECTION_S

    def _may_end(self) -> bool:
        return self._stop_at_s is not None and (time.monotonic() >= self._stop_at_s or not self._outbox.waiting)

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
            self._failed((NOT_YET_VALID in problem and self._clock.complaint(time.time())) or problem)
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
        if answer.code < 0x80 and answer.max_qos > 0:
            self._take_up(connection, answer)
            return connection
        connection.close()
        if answer.code < 0x80:
            self._failed("the broker has QoS 0 only, which confirms nothing")
            return None
        if answer.code == UNSUPPORTED_VERSION and connection.version == V5:
            return self._connect(V311)
        self._failed(f"the broker refused: {answer.reason}")
        if answer.code in REFUSED_CREDENTIALS:
            self.refused = True
            self.first_verdict.set()
        return None

    def _take_up(self, connection: Connection, answer: Connected) -> None:
        if connection.version == V311 and self._version == V5:
            text = "MQTT broker %s: has no MQTT 5; with 3.1.1 a publication that it denies looks like a delivered one"
            log.warning(text, self._settings.address)
        self._window, self._max_packet_bytes = answer.window, answer.max_packet_bytes
        self._retains = answer.retains
        self._version = connection.version
        self._look_at_certificates(connection)
        self.counts["connections"] += 1
        level = logging.WARNING if self.problem else logging.INFO
        log.log(level, "MQTT broker %s: connected (%s)", self._settings.address, VERSION_NAMES[connection.version])
        self.problem = ""
        self.connected.set()
        self.first_verdict.set()

    def _look_at_certificates(self, connection: Connection) -> None:
        """Note when they end, and warn while there is time."""
        if self._settings.tls is None:
            return
        self._clock.confirmed(time.time())
        self.certificate_days = {
            "broker_certificate_days": days_left(connection.peer_ends_s),
            "own_certificate_days": days_left(self._settings.own_ends_s),
        }
        for name, days in self.certificate_days.items():
            if days is not None and days < SOON_DAYS:
                whose = name.partition("_")[0]
                log.warning("MQTT broker %s: the %s certificate ends in %g days", self._settings.address, whose, days)

    def _failed(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("MQTT broker %s: %s; trying again, results wait", self._settings.address, problem)
        self.problem = problem

    def _serve(self, connection: Connection) -> Lost | None:
        """Publish until the connection is lost, or everything is done and the sink is closing (None)."""
        self._notes_due = [(self._settings.status_topic, b"online")]
        self._announce_at_s = 0.0
        if self._birth_topic:
            connection.subscribe([self._birth_topic])
        while True:
            self._fill(connection)
            if self._may_end():
                self._farewell(connection)
                return None
            lost = self._listen(connection, self._wait_s())
            if lost is not None:
                return lost

    def _wait_s(self) -> float:
        now_s = time.monotonic()
        wait_s = 60.0 if self._stop_at_s is None else max(0.0, self._stop_at_s - now_s)
        if self._room > 0:
            wait_s = min(wait_s, max(self._outbox.wait_s(), self._hold_until_s - now_s))
        if self._options.report_s:
            wait_s = min(wait_s, self._report_at_s - now_s)
        return max(0.0, min(wait_s, self._announce_at_s - now_s))

    @property
    def _limit(self) -> int:
        return 1 if self._barren >= BARREN else self._window

    @property
    def _room(self) -> int:
        return self._limit - len(self._flying) - len(self._notes)

    def _fill(self, connection: Connection) -> None:
        now_s = time.monotonic()
        if self._options.report_s and now_s >= self._report_at_s:
            self._report_at_s = now_s + self._options.report_s
            self._notes_due.append((self._settings.report_topic, self._report()))
        if now_s >= self._announce_at_s:
            self._announce_at_s = float("inf")
            self._notes_due += self._announced.items()
        self._send_notes(connection)
        if now_s < self._hold_until_s:
            return
        while (room := self._room) > 0:
            messages = self._outbox.take(room, self._limit // 4)
            for message in messages:
                self._send(connection, message)
            if not messages:
                return

    def _send(self, connection: Connection, message: Message) -> None:
        data = as_historical(message.data) if message.historical else message.data
        size_bytes = len(data) + len(message.topic.encode()) + PACKET_BYTES
        if size_bytes > self._max_packet_bytes:
            self._bury(message, f"larger than the broker's Maximum Packet Size of {self._max_packet_bytes} bytes")
            return
        self._flying[connection.publish(message.topic, data)] = message
        self.counts["sent"] += 1

    def _send_notes(self, connection: Connection) -> None:
        """Send retained messages, which are not repeated: the next one says it better."""
        while self._notes_due and self._room > 0:
            topic, data = self._notes_due.pop(0)
            self._notes.add(connection.publish(topic, data, retain=self._retains))

    def _listen(self, connection: Connection, wait_s: float) -> Lost | None:
        """Take what the network brings; return how the connection ended, if it did."""
        lost = None
        delivered: list[Message] = []
        for event in connection.wait(wait_s):
            if isinstance(event, Confirmed):
                delivered += self._confirmed(event)
            elif isinstance(event, Lost):
                thief = "" if self._was_good() else f" (does another client use the id {self._settings.client_id}?)"
                self._failed(f"connection lost: {event.reason}{thief}")
                lost = event
            elif isinstance(event, Received) and event.topic == self._birth_topic and event.data == b"online":
                # Everybody is asked at once; not all should answer at once.
                self._announce_at_s = time.monotonic() + random.uniform(0.0, BIRTH_JITTER_S)  # noqa: S311
        if delivered:
            self.counts["delivered"] += len(delivered)
            self._outbox.settle(delivered)
        return lost

    def _confirmed(self, event: Confirmed) -> list[Message]:
        """Judge one PUBACK; return the message if it was delivered."""
        self._notes.discard(event.mid)
        message = self._flying.pop(event.mid, None)
        if message is None:
            return []
        self._confirmed_any = True
        self._barren = 0
        if event.code == NO_SUBSCRIBERS and self._options.no_subscribers == "retry":
            self._again(message)
            return []
        if event.code < 0x80:
            self._attempts.pop(message.number, None)
            return [message]
        attempts = self._attempts.pop(message.number, 0) + 1
        if event.code in FOR_GOOD or attempts >= ATTEMPTS:
            self._bury(message, f"0x{event.code:02x} {event.reason}")
        else:
            self._attempts[message.number] = attempts
            self._again(message)
        return []

    def _again(self, message: Message) -> None:
        self._hold_until_s = time.monotonic() + HOLD_S
        self._outbox.put_back([message])

    def _bury(self, message: Message, reason: str) -> None:
        """Keep the message aside: the broker will not take it."""
        self.counts["refused"] += 1
        self._outbox.settle([message], dead=reason)
        count = self.counts["refused"]
        if count in (1, 10, 100) or count % 1000 == 0:
            text = "MQTT broker %s: refused a message to %s: %s; refused so far: %d"
            log.warning(text, self._settings.address, message.topic, reason, count)

    def _farewell(self, connection: Connection) -> None:
        if self._options.report_s:
            self._notes_due.append((self._settings.report_topic, self._report()))
        if not self._keep_announced:
            self._notes_due += [(topic, b"") for topic in self._announced]
        self._notes_due.append((self._settings.status_topic, b"offline"))
        until_s = time.monotonic() + FAREWELL_S
        self._send_notes(connection)
        while (self._flying or self._notes) and (left_s := until_s - time.monotonic()) > 0:
            if self._listen(connection, left_s) is not None:
                break
            self._send_notes(connection)

    def _land(self, lost: Lost | None) -> None:
        """Give back what was not confirmed, and look whether the broker hangs up over a message."""
        if lost is not None and lost.by_peer and self._flying and not self._confirmed_any:
            self._barren += 1
            if len(self._flying) == 1:
                self._blame(next(iter(self._flying.values())), lost)
        self._outbox.put_back(self._flying.values())
        self._flying.clear()
        self._notes.clear()
        self._report_at_s = 0.0

    def _blame(self, message: Message, lost: Lost) -> None:
        hangups = self._hangups.pop(message.number, 0) + 1
        if hangups >= HANGUPS:
            self._bury(message, f"the broker hung up over it {hangups} times: {lost.reason}")
            self._barren = 0
        else:
            self._hangups[message.number] = hangups
