"""The MQTT sink against a broker that misbehaves in every way the protocol knows, and some that it does not.

Each case is a script for the broker's side and what must have become of ten results.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.config import Where, decode
from edge_sdk.publish import mqtt_courier
from edge_sdk.publish.mqtt import MqttSink
from edge_sdk.publish.mqtt_settings import MqttOptions
from edge_sdk.reading import Result
from tests.broker import until
from tests.contract.scripted_broker import (
    PUBLISH,
    PUBREC,
    Packet,
    Peer,
    ScriptedBroker,
    connack,
    disconnect,
    packet,
    puback,
)

COUNT = 10
RESULT = Result("gw", "p", "score", 0, 1.0, datetime(2026, 1, 1, tzinfo=timezone.utc), np.zeros(1, np.float32))
POISON = 3
RECEIVE_MAXIMUM, MAXIMUM_PACKET, MAXIMUM_QOS, RETAIN_AVAILABLE = b"\x21", b"\x27", b"\x24", b"\x25"


def seq(found: Packet) -> int:
    return int(json.loads(found.payload)["seq"])


def mid_of(found: Packet) -> bytes:
    return found.mid.to_bytes(2, "big")


class Seen:
    """What the scripts of one case saw: the results confirmed, in order, and the most that were under way."""

    def __init__(self) -> None:
        self.confirmed: list[int] = []
        self.sent: list[int] = []
        self.most = 0


Script = Callable[[Peer, Seen], None]


@dataclass(frozen=True)
class Case:
    """A script and its outcome.

    Attributes:
        delivered: results of which PUBACK was taken as a delivery; None: the case is about the state only.
        dead: results that became dead letters.
        state: is in the state at some time.
        options: of the sink.
    """

    name: str
    script: Script
    delivered: int | None = COUNT
    dead: int = 0
    state: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    check: Callable[[Seen], bool] = lambda seen: True


def confirm(peer: Peer, seen: Seen, code: int | None = None) -> None:
    """Confirm everything from now on."""
    while True:
        one = peer.next_result()
        seen.sent.append(seq(one))
        seen.confirmed.append(seq(one))
        peer.send(puback(one.mid, code))


def good(peer: Peer, seen: Seen) -> None:
    peer.accept()
    confirm(peer, seen)


def then_good(first: Script, times: int = 1) -> Script:
    """The first connections go wrong, the next one is good."""
    return lambda peer, seen: first(peer, seen) if peer.number <= times else good(peer, seen)


def refuses(code: int) -> Script:
    return lambda peer, seen: peer.accept(code)


def sends(*parts: bytes, pause_s: float = 0.0) -> Script:
    """CONNECT is answered by these bytes."""

    def script(peer: Peer, seen: Seen) -> None:
        peer.read()
        for part in parts:
            peer.send(part)
            time.sleep(pause_s)

    return script


def after_connack(*parts: bytes) -> Script:
    def script(peer: Peer, seen: Seen) -> None:
        peer.accept()
        peer.send(*parts)

    return script


def instead_of_puback(answer: Callable[[Packet], bytes]) -> Script:
    """The first result gets this."""

    def script(peer: Peer, seen: Seen) -> None:
        peer.accept()
        peer.send(answer(peer.next_result()))

    return script


def byte_by_byte(peer: Peer, seen: Seen) -> None:
    peer.read()
    for byte in connack():
        peer.send(bytes([byte]))
        time.sleep(0.02)
    while True:
        one = peer.next_result()
        seen.confirmed.append(seq(one))
        for byte in puback(one.mid, 0):
            peer.send(bytes([byte]))
            time.sleep(0.002)


def narrow(window: int) -> Script:
    """Receive Maximum; the client may not have more under way."""

    def script(peer: Peer, seen: Seen) -> None:
        peer.accept(properties=RECEIVE_MAXIMUM + window.to_bytes(2, "big"))
        waiting: list[Packet] = []
        while True:
            found = peer.read_within(0.2)
            if found is None:
                peer.send(*(puback(one.mid) for one in waiting))
                waiting = []
            elif found.kind == PUBLISH:
                waiting.append(found)
                seen.most = max(seen.most, len(waiting))

    return script


def backwards(peer: Peer, seen: Seen) -> None:
    peer.accept()
    found = [peer.next_result() for _ in range(COUNT)]
    for one in reversed(found):
        peer.send(puback(one.mid))
    confirm(peer, seen)


def twice(peer: Peer, seen: Seen) -> None:
    peer.accept()
    while True:
        one = peer.next_result()
        peer.send(puback(one.mid), puback(one.mid))


def stranger_first(peer: Peer, seen: Seen) -> None:
    peer.accept()
    while True:
        one = peer.next_result()
        peer.send(puback(one.mid ^ 0x5555), puback(one.mid))


def slow(peer: Peer, seen: Seen) -> None:
    peer.accept()
    while True:
        one = peer.next_result()
        time.sleep(0.15)
        seen.confirmed.append(seq(one))
        peer.send(puback(one.mid))


def hangs_up_after(count: int) -> Script:
    def script(peer: Peer, seen: Seen) -> None:
        peer.accept()
        for _ in range(count):
            one = peer.next_result()
            seen.confirmed.append(seq(one))
            peer.send(puback(one.mid))
        peer.next_result()

    return script


def poison(answer: bytes) -> Script:
    """One of the results makes the broker hang up, each time it is seen."""

    def script(peer: Peer, seen: Seen) -> None:
        peer.accept()
        while True:
            one = peer.next_result()
            if seq(one) == POISON:
                peer.send(answer)
                return
            peer.send(puback(one.mid))

    return script


def judged(code_of: Callable[[int, int], int]) -> Script:
    """PUBACK's code by result and attempt."""

    def script(peer: Peer, seen: Seen) -> None:
        peer.accept()
        while True:
            one = peer.next_result()
            seen.sent.append(seq(one))
            peer.send(puback(one.mid, code_of(seq(one), seen.sent.count(seq(one)))))

    return script


def older(peer: Peer, seen: Seen) -> None:
    if peer.read().body[6] == 5:
        peer.send(connack(0x84))
        return
    peer.send(packet(2, b"\x00\x00"))
    confirm(peer, seen)


def talks_back(peer: Peer, seen: Seen) -> None:
    peer.accept()
    peer.send(b"\xd0\x00", packet(PUBLISH, b"\x00\x01a\x00hello", 1), packet(PUBLISH, b"\x00\x01b\x00\x07\x00x", 2))
    confirm(peer, seen)


def in_order(seen: Seen) -> bool:
    return sorted(set(seen.confirmed), key=seen.confirmed.index) == list(range(COUNT))


CASES = [
    Case("good", good, check=in_order),
    Case("older", older),
    Case("connack-bad-password", refuses(0x86), None, state="Bad user name or password"),
    Case("connack-not-authorized", refuses(0x87), None, state="Not authorized"),
    Case("connack-unavailable-then-good", then_good(refuses(0x88))),
    Case("connack-busy-then-good", then_good(refuses(0x89))),
    Case("connack-quota-then-good", then_good(refuses(0x97))),
    Case("connack-code-of-no-meaning", then_good(sends(connack(0xFF)))),
    Case("connack-half", then_good(sends(connack()[:3]))),
    Case("connack-session-present", then_good(sends(connack(session=True)))),
    Case("connack-length-of-five-bytes", then_good(sends(b"\x20\xff\xff\xff\xff\x01"))),
    Case("connack-properties-lie", then_good(sends(b"\x20\x05\x00\x00\x7f\x21\x00"))),
    Case("first-packet-is-another", then_good(sends(puback(1)))),
    Case("byte-by-byte", byte_by_byte, check=in_order),
    Case("receive-maximum-1", narrow(1), check=lambda seen: seen.most == 1),
    Case("receive-maximum-3", narrow(3), check=lambda seen: seen.most <= 3),
    Case("receive-maximum-0", then_good(sends(connack(properties=RECEIVE_MAXIMUM + b"\0\0")))),
    Case(
        "maximum-packet-size",
        lambda peer, seen: (peer.accept(properties=MAXIMUM_PACKET + (120).to_bytes(4, "big")), confirm(peer, seen))[1],
        0,
        dead=COUNT,
        options={"report_s": 0},
    ),
    Case("only-qos-0", sends(connack(properties=MAXIMUM_QOS + b"\0")), None, state="QoS 0 only"),
    Case(
        "no-retained-messages",
        lambda peer, seen: (peer.accept(properties=RETAIN_AVAILABLE + b"\0"), confirm(peer, seen))[1],
    ),
    Case("puback-unknown-id", stranger_first),
    Case("puback-twice", twice),
    Case("puback-backwards", backwards),
    Case("puback-slow", slow, check=in_order),
    Case("puback-half-then-gone", then_good(instead_of_puback(lambda one: puback(one.mid)[:3]))),
    Case(
        "puback-too-long", then_good(instead_of_puback(lambda one: packet(4, one.mid.to_bytes(2, "big") + b"\0" * 9)))
    ),
    Case("puback-code-of-no-meaning", then_good(instead_of_puback(lambda one: puback(one.mid, 0x42)))),
    Case("pubrec-instead", then_good(instead_of_puback(lambda one: packet(PUBREC, mid_of(one))))),
    Case("puback-denied", judged(lambda seq, attempt: 0x87 if seq == POISON else 0), COUNT - 1, dead=1),
    Case("puback-bad-topic", judged(lambda seq, attempt: 0x90 if seq == POISON else 0), COUNT - 1, dead=1),
    Case("puback-bad-payload", judged(lambda seq, attempt: 0x99 if seq == POISON else 0), COUNT - 1, dead=1),
    Case("puback-quota-then-good", judged(lambda seq, attempt: 0x97 if attempt < 3 else 0)),
    Case("puback-error-for-ever", judged(lambda seq, attempt: 0x83 if seq == POISON else 0), COUNT - 1, dead=1),
    Case("puback-no-subscribers", judged(lambda seq, attempt: 0x10)),
    Case(
        "puback-no-subscribers-retried",
        judged(lambda seq, attempt: 0x10 if attempt < 4 else 0),
        options={"no_subscribers": "retry"},
        check=lambda seen: seen.sent.count(POISON) == 4,
    ),
    Case("gone-after-connack", then_good(lambda peer, seen: peer.accept(), 3)),
    Case("gone-before-puback", then_good(hangs_up_after(0))),
    Case("gone-after-some", then_good(hangs_up_after(4)), check=in_order),
    Case("garbage-after-connack", then_good(after_connack(b"\xff" * 40))),
    Case("disconnect-shutting-down", then_good(after_connack(disconnect(0x8B)))),
    Case("disconnect-taken-over", then_good(after_connack(disconnect(0x8E))), state="does another client use the id"),
    Case("disconnect-quota", then_good(after_connack(disconnect(0x97)))),
    Case("disconnect-too-large-each-time", poison(disconnect(0x95)), COUNT - 1, dead=1),
    Case("hangs-up-over-one-each-time", poison(b""), COUNT - 1, dead=1),
    Case("talks-back", talks_back),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_arrive_or_are_counted_whatever_the_broker_does(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FIRST_PAUSE_S", 0.02), ("LONGEST_PAUSE_S", 0.05), ("HOLD_S", 0.02), ("SILENCE_S", 0.2)):
        monkeypatch.setattr(mqtt_courier, name, value)
    seen = Seen()
    broker = ScriptedBroker(lambda peer: case.script(peer, seen))
    where = Where(tmp_path / "p.toml", "sinks[0]")
    options = {"url": broker.url, "connect_timeout_s": 3, "flush_timeout_s": 0, **case.options}
    sink = MqttSink(decode(options, MqttOptions, where), where, "p", "gw")
    sink.open()
    states = set()

    def done() -> bool:
        states.add(sink.state)
        counts = sink.counts()
        over = case.delivered is None or counts["waiting"] == 0
        return over and (not case.state or any(case.state in state for state in states))

    for number in range(COUNT):
        sink.publish(replace(RESULT, seq=number, latency_s={"total": 0.0}))
    try:
        until(done, f"the outcome; {sink.counts()}")
    finally:
        sink.close()
        broker.close()
    assert broker.problem is None
    counts = sink.counts()
    if case.delivered is None:
        assert counts["waiting"] == counts["kept"] == COUNT
        return
    assert (counts["delivered"], counts["dead"], counts["dropped"]) == (case.delivered, case.dead, 0)
    assert case.check(seen), vars(seen)


def test_there_are_enough_cases_and_none_twice() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 25
