"""One connection to an MQTT broker, from CONNECT to its end, driven by the one thread that owns it.

paho's own network thread is not used: its callbacks run under its locks, and what a damaged packet makes it raise would
end up as a traceback on that thread. Here the owner calls `wait`, which polls the socket, lets paho read and write, and
returns what happened. A connection is used once; nothing of an old session can leak into the next.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_sdk.publish.certificates import peer_not_after
from edge_sdk.publish.mqtt_settings import Settings

log = logging.getLogger(__name__)

V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
VERSION_NAMES = {V5: "MQTT 5", V311: "MQTT 3.1.1"}
#: CONNACK codes (MQTT 5, section 3.2.2.2); paho translates those of 3.1.1.
UNSUPPORTED_VERSION = 0x84
REFUSED_CREDENTIALS = (0x86, 0x87)
#: Messages sent but not yet confirmed; fewer where the broker's Receive Maximum is lower.
WINDOW = 100
#: The largest packet there can be (MQTT 5, section 2.1.4).
MAX_PACKET_BYTES = 268_435_460
#: What the broker may send us: commands are small.
MAX_RECEIVED_BYTES = 65536
#: How often keep-alive is looked at.
MISC_S = 1.0
#: For the last packet, when the peer no longer reads.
GOODBYE_S = 0.5


@dataclass(frozen=True)
class Connected:
    """CONNACK came; `code` below 0x80 is success.

    Attributes:
        window: messages the broker takes unconfirmed.
        max_packet_bytes: the largest packet it takes.
        max_qos: 0 for a broker that confirms nothing.
        retains: it keeps retained messages.
    """

    code: int
    reason: str
    window: int
    max_packet_bytes: int
    max_qos: int
    retains: bool


@dataclass(frozen=True)
class Confirmed:
    """PUBACK came; a `code` of 0x80 or more means that the broker refused the message."""

    mid: int
    code: int
    reason: str


@dataclass(frozen=True)
class Lost:
    """The connection is over. `by_peer`: the broker ended it; `code`: the reason it gave, 0 for none."""

    reason: str
    by_peer: bool = False
    code: int = 0


@dataclass(frozen=True)
class Received:
    """A message came on a topic that was subscribed to."""

    topic: str
    data: bytes


Event = Connected | Confirmed | Lost | Received


class Doorbell:
    """Wakes a thread that waits for a socket. Ringing twice is like ringing once; any thread may ring, at any time."""

    def __init__(self) -> None:
        self._inside: socket.socket | None = None
        self._button: socket.socket | None = None

    def open(self) -> None:
        self._inside, self._button = socket.socketpair()
        self._inside.setblocking(False)
        self._button.setblocking(False)

    def fileno(self) -> int:
        return self._inside.fileno() if self._inside is not None else -1

    def ring(self) -> None:
        button = self._button
        if button is not None:
            with suppress(OSError):  # full: it rings already; closed: nobody listens any more
                button.send(b"!")

    def wait(self, timeout_s: float) -> None:
        """Wait for a ring, and silence the bell."""
        poll = select.poll()
        poll.register(self, select.POLLIN)
        poll.poll(1000 * max(0.0, timeout_s))
        self.silence()

    def silence(self) -> None:
        if self._inside is not None:
            with suppress(OSError):
                self._inside.recv(4096)

    def close(self) -> None:
        for one in (self._inside, self._button):
            if one is not None:
                one.close()


class Connection:
    """One paho client and its socket.

    Args:
        version: V5 or V311.
        doorbell: ends `wait` early.
        plain: without will and credentials, under another client id: only to see what CONNACK says.
    """

    def __init__(
        self,
        settings: Settings,
        version: MQTTProtocolVersion,
        keepalive_s: int,
        doorbell: Doorbell,
        *,
        plain: bool = False,
    ) -> None:
        self.version = version
        self._settings = settings
        self._keepalive_s = keepalive_s
        self._doorbell = doorbell
        self._plain = plain
        self._events: list[Event] = []
        self._misc_at_s = 0.0
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id + ("-version" if plain else ""),
            clean_session=None if version == V5 else True,
            protocol=version,
            reconnect_on_failure=False,
        )
        # Our own window is what limits; a few retained messages go out beside it.
        self._client.max_inflight_messages_set(2 * WINDOW)
        if not plain:
            self._client.will_set(settings.status_topic, b"offline", qos=1, retain=True)
        if settings.username is not None and not plain:
            self._client.username_pw_set(settings.username, settings.password.reveal() if settings.password else None)
        if settings.tls is not None:
            self._client.tls_set_context(settings.tls)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe

    def open(self, timeout_s: float) -> str:
        """Connect the socket and send CONNECT; return "" or why that failed. CONNACK comes from `wait`."""
        self._client.connect_timeout = timeout_s
        clean_start: Any = True if self.version == V5 else paho.MQTT_CLEAN_START_FIRST_ONLY
        try:
            self._client.connect(
                self._settings.host,
                self._settings.port,
                self._keepalive_s,
                clean_start=clean_start,
                properties=self._limits(),
            )
        except (OSError, ValueError) as fault:
            return _why(fault)
        return ""

    @property
    def peer_ends_s(self) -> float | None:
        """When the broker's certificate ends, seconds since 1970; None without TLS."""
        return peer_not_after(self._client.socket())

    def publish(self, topic: str, data: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1; return the message id that Confirmed will carry."""
        return self._client.publish(topic, data, qos=1, retain=retain).mid

    def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for messages on these topics (QoS 1); retained ones are not wanted."""
        if self.version == V5:
            wish = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            self._client.subscribe([(topic, wish) for topic in topics])
        else:
            self._client.subscribe([(topic, 1) for topic in topics])

    def wait(self, timeout_s: float) -> list[Event]:
        """Let the network work until something happens, the bell rings or the time is over; return what happened."""
        until_s = time.monotonic() + timeout_s
        while not self._events:
            left_s = until_s - time.monotonic()
            rung = self._turn(min(max(0.0, left_s), MISC_S))
            if rung or left_s <= 0:
                break
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Say goodbye, so that the broker does not send the will, and close the socket."""
        with suppress(Exception):  # the peer may have left a half-understood state; the socket is closed either way
            self._client.disconnect()
            self._flush(time.monotonic() + GOODBYE_S)
        wire = self._client.socket()
        if wire is not None:
            with suppress(OSError):
                wire.close()

    def _flush(self, until_s: float) -> None:
        while self._client.want_write() and (left_s := until_s - time.monotonic()) > 0:
            wire = self._client.socket()
            if wire is None:
                break
            poll = select.poll()
            poll.register(wire, select.POLLOUT)
            if not poll.poll(1000 * left_s) or self._client.loop_write():
                break

    def _turn(self, timeout_s: float) -> bool:
        """Poll once and serve the socket; return whether the bell rang."""
        wire = self._client.socket()
        if wire is None:
            self._lost("the connection is closed")
            return False
        poll = select.poll()
        poll.register(wire, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        poll.register(self._doorbell, select.POLLIN)
        buffered = isinstance(wire, ssl.SSLSocket) and wire.pending() > 0
        ready = dict(poll.poll(0 if buffered else 1000 * timeout_s))
        rung = self._doorbell.fileno() in ready
        if rung:
            self._doorbell.silence()
        try:
            self._serve(ready.get(wire.fileno(), 0), buffered=buffered)
        except Exception as fault:  # paho trips in many ways over a peer that does not speak MQTT
            self._lost(f"not understood: {type(fault).__name__}")
        return rung

    def _serve(self, ready: int, *, buffered: bool) -> None:
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        if buffered or ready & ~select.POLLOUT:
            code = self._client.loop_read()
        if not code and ready & select.POLLOUT:
            code = self._client.loop_write()
        if not code and time.monotonic() >= self._misc_at_s:
            self._misc_at_s = time.monotonic() + MISC_S
            code = self._client.loop_misc()
        if code:
            self._lost(paho.error_string(code))

    def _lost(self, reason: str, *, by_peer: bool = False, code: int = 0) -> None:
        if not any(isinstance(event, Lost) for event in self._events):
            self._events.append(Lost(reason, by_peer, code))

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        window = max(1, min(WINDOW, int(getattr(properties, "ReceiveMaximum", WINDOW))))
        packet = int(getattr(properties, "MaximumPacketSize", MAX_PACKET_BYTES))
        qos, retains = int(getattr(properties, "MaximumQoS", 2)), bool(getattr(properties, "RetainAvailable", True))
        self._events.append(Connected(int(reason.value), str(reason), window, packet, qos, retains))

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        self._events.append(Confirmed(mid, int(reason.value), str(reason)))

    def _on_message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:
        if not message.retain and len(message.payload) <= MAX_RECEIVED_BYTES:
            self._events.append(Received(message.topic, bytes(message.payload)))

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        for reason in reasons:
            if int(reason.value) >= 0x80:
                log.warning("MQTT broker %s: refused a subscription: %s", self._settings.address, reason)

    def _limits(self) -> Properties | None:
        """What the broker may send (MQTT 5, section 3.1.2.11)."""
        if self.version != V5 or self._plain:
            return None
        limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        limits.MaximumPacketSize = MAX_RECEIVED_BYTES
        limits.ReceiveMaximum = 16
        return limits

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        # paho has no words of its own for an end without DISCONNECT: it says "Unspecified error".
        if flags.is_disconnect_packet_from_server:
            self._lost(str(reason), by_peer=True, code=int(reason.value))
        elif str(reason) != "Unspecified error":
            self._lost(str(reason))
        else:
            self._lost("closed by the broker or the network", by_peer=True)


#: What OpenSSL says of a certificate that begins in the future, as it does where the clock stands in the past.
NOT_YET_VALID = "certificate is not yet valid"


def _why(fault: Exception) -> str:
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted: {fault.verify_message or fault.reason}"
    if isinstance(fault, ssl.SSLError):
        return f"TLS failed: {fault.reason or fault}"
    if isinstance(fault, socket.gaierror):
        return "the host name is not known"
    if isinstance(fault, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    return str(fault) or type(fault).__name__
