"""A broker that does what a script says, byte for byte: packets of MQTT 5 and 3.1.1 over one raw socket at a time."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PINGREQ, DISCONNECT = 1, 2, 3, 4, 5, 12, 14
PATIENCE_S = 10.0


class HungUp(Exception):
    """The client ended the connection."""


@dataclass(frozen=True)
class Packet:
    """One packet; for PUBLISH also topic, mid and payload."""

    kind: int
    body: bytes
    topic: str = ""
    mid: int = 0
    payload: bytes = b""


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """Return a packet with its fixed header (MQTT 5, section 2.1)."""
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([kind << 4 | flags]) + length + body


def connack(code: int = 0, properties: bytes = b"", *, session: bool = False) -> bytes:
    return packet(CONNACK, bytes([session, code, len(properties)]) + properties)


def puback(mid: int, code: int | None = None) -> bytes:
    return packet(PUBACK, mid.to_bytes(2, "big") + (b"" if code is None else bytes([code, 0])))


def disconnect(code: int) -> bytes:
    return packet(DISCONNECT, bytes([code, 0]))


class Peer:
    """One connection, seen from the broker."""

    def __init__(self, wire: socket.socket, number: int) -> None:
        self.number = number
        self._wire = wire
        self._wire.settimeout(PATIENCE_S)
        self._v5 = True

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self._wire.sendall(part)

    def read(self) -> Packet:
        """Return the next packet; pings are answered."""
        while True:
            head = self._exactly(1)[0]
            size, shift = 0, 0
            while True:
                digit = self._exactly(1)[0]
                size |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    break
            body = self._exactly(size)
            if head >> 4 == PINGREQ:
                self.send(b"\xd0\x00")
                continue
            if head >> 4 == CONNECT:
                self._v5 = body[6] == 5
            return self._publish(body) if head >> 4 == PUBLISH else Packet(head >> 4, body)

    def read_within(self, patience_s: float) -> Packet | None:
        """Return the next packet; None when none begins within the time."""
        if not select.select([self._wire], [], [], patience_s)[0]:
            return None
        return self.read()

    def accept(self, code: int = 0, properties: bytes = b"") -> None:
        """Take the CONNECT and answer it."""
        assert self.read().kind == CONNECT
        self.send(connack(code, properties))

    def serve(self, code: int | None = None) -> None:
        """Confirm everything until the client hangs up."""
        while True:
            found = self.read()
            if found.kind == PUBLISH:
                self.send(puback(found.mid, code))

    def next_result(self) -> Packet:
        """Return the next result; retained messages are confirmed on the way."""
        while True:
            found = self.read()
            if found.kind == PUBLISH:
                if not found.topic.endswith(("/status", "/delivery")):
                    return found
                self.send(puback(found.mid))

    def _publish(self, body: bytes) -> Packet:
        size = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        mid, rest = int.from_bytes(rest[:2], "big"), rest[2:]
        payload = rest[1 + rest[0] :] if self._v5 else rest
        return Packet(PUBLISH, body, topic, mid, payload)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                piece = self._wire.recv(count - len(data))
            except ConnectionError:
                piece = b""
            if not piece:
                raise HungUp
            data += piece
        return data


class ScriptedBroker:
    """Runs `script(peer)` for each connection in turn; what it raises is found in `problem`."""

    def __init__(self, script: Callable[[Peer], None]) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self._script = script
        self._stop = threading.Event()
        self.connections = 0
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self._server.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                wire, _ = self._server.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with wire:
                try:
                    with suppress(HungUp, ConnectionError):
                        self._script(Peer(wire, self.connections))
                except BaseException as fault:
                    self.problem = fault
                    return
