from __future__ import annotations

import json
import logging
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from edge_sdk.config import FromEnvironment, Where, decode
from edge_sdk.errors import AccessDeniedError, BusyError, TransferError
from edge_sdk.publish.mqtt import MqttSink
from edge_sdk.publish.mqtt_settings import MqttOptions
from edge_sdk.reading import Result
from tests.broker import Mosquitto, Subscriber, amqtt_broker, free_port, mosquitto, until
from tests.support import require_tool

RESULT = Result(
    "gw",
    "p",
    "score",
    0,
    1.0,
    datetime(2026, 1, 1, tzinfo=timezone.utc),
    np.zeros(1, np.float32),
    latency_s={"total": 0.0},
)
TOPIC, STATUS, REPORT = "edge/gw/p/score", "edge/gw/p/status", "edge/gw/p/delivery"


def sink_of(folder: Path, url: str, *, number: int = 0, **options: object) -> MqttSink:
    where = Where(folder / "p.toml", f"sinks[{number}]")
    decoded = decode({"url": url, "connect_timeout_s": 3, **options}, MqttOptions, where)
    return MqttSink(decoded, where, "p", "gw")


def publish(sink: MqttSink, numbers: range) -> None:
    for number in numbers:
        sink.publish(replace(RESULT, seq=number))


def numbers(subscriber: Subscriber) -> list[int]:
    return [json.loads(payload)["seq"] for payload in subscriber.payloads(TOPIC)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    client = Subscriber(broker.port)
    yield client
    client.close()


def test_every_result_arrives_once_in_order_over_mqtt_5(
    tmp_path: Path, broker: Mosquitto, subscriber: Subscriber
) -> None:
    sink = sink_of(tmp_path, broker.url)
    sink.open()
    publish(sink, range(500))
    sink.close()
    until(lambda: len(numbers(subscriber)) >= 500, "500 results")
    assert numbers(subscriber) == list(range(500))
    assert sink.counts()["delivered"] == 500
    assert sink.counts()["waiting"] == 0


def test_availability_is_online_while_running_and_offline_after_a_clean_stop(
    tmp_path: Path, broker: Mosquitto, subscriber: Subscriber
) -> None:
    sink = sink_of(tmp_path, broker.url)
    sink.open()
    until(lambda: subscriber.payloads(STATUS) == [b"online"], "online")
    assert sink.state == "connected (MQTT 5)"
    sink.close()
    until(lambda: subscriber.payloads(STATUS) == [b"online", b"offline"], "offline")
    late = Subscriber(broker.port)
    until(lambda: (STATUS, b"offline", True) in late.messages, "the retained status")
    late.close()


def test_two_sinks_of_a_pipeline_share_a_broker(tmp_path: Path, broker: Mosquitto, subscriber: Subscriber) -> None:
    sinks = [sink_of(tmp_path, broker.url, number=number) for number in range(2)]
    for sink in sinks:
        sink.open()
    until(lambda: all(sink.state.startswith("connected") for sink in sinks), "both are connected")
    for sink in sinks:
        publish(sink, range(10))
        sink.close()
    until(lambda: len(numbers(subscriber)) >= 20, "20 results")
    assert [sink.counts()["connections"] for sink in sinks] == [1, 1]


def test_a_process_that_dies_is_reported_offline_by_its_will(
    tmp_path: Path, broker: Mosquitto, subscriber: Subscriber
) -> None:
    sink = sink_of(tmp_path, broker.url)
    sink.open()
    until(lambda: subscriber.payloads(STATUS) == [b"online"], "online")
    thief = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="edge-gw-p", protocol=MQTTProtocolVersion.MQTTv5)
    thief.connect("127.0.0.1", broker.port)  # the broker drops the first holder of the id, as if its process had died
    thief.loop_start()
    until(lambda: b"offline" in subscriber.payloads(STATUS), "the last will")
    until(lambda: "does another client use the id edge-gw-p?" in sink.state, "the likely reason")
    thief.disconnect()
    thief.loop_stop()
    sink.close()


@pytest.fixture
def absent(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path, running=False) as reserved:
        yield reserved


def test_results_wait_for_a_broker_that_starts_later(tmp_path: Path, absent: Mosquitto) -> None:
    sink = sink_of(tmp_path, absent.url)
    sink.open()
    publish(sink, range(30))
    until(lambda: "nobody listens" in sink.state, "the reason")
    absent.start()
    client = Subscriber(absent.port)
    publish(sink, range(30, 60))
    until(lambda: sink.counts()["waiting"] == 0, "the queue is empty")
    sink.close()
    client.close()
    assert sink.counts()["delivered"] == 60
    assert sink.counts()["dropped"] == 0


@pytest.mark.parametrize("kill", [False, True])
def test_nothing_is_lost_when_the_broker_restarts(tmp_path: Path, broker: Mosquitto, *, kill: bool) -> None:
    first = Subscriber(broker.port)
    sink = sink_of(tmp_path, broker.url, flush_timeout_s=20)
    sink.open()
    publish(sink, range(50))
    until(lambda: len(numbers(first)) == 50, "the first results")
    broker.stop(kill=kill)
    first.close()
    publish(sink, range(50, 100))
    until(lambda: not sink.state.startswith("connected"), "the loss is seen")
    broker.start()
    second = Subscriber(broker.port)
    publish(sink, range(100, 150))
    sink.close()
    assert sink.counts()["waiting"] == 0
    assert sink.counts()["delivered"] == 150
    assert sink.counts()["connections"] >= 2
    second.close()


def test_a_broker_with_only_3_1_1_is_served_with_3_1_1(tmp_path: Path) -> None:
    with amqtt_broker() as url:
        client = Subscriber(int(url.rpartition(":")[2]), version=MQTTProtocolVersion.MQTTv311)
        sink = sink_of(tmp_path, url)
        sink.open()
        publish(sink, range(20))
        until(lambda: len(numbers(client)) >= 20, "20 results")
        assert sink.state == "connected (MQTT 3.1.1)"
        sink.close()
        until(lambda: b"offline" in client.payloads(STATUS), "offline")
        assert sorted(set(numbers(client))) == list(range(20))
        client.close()


def test_other_refusals_do_not_make_it_older(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous false") as strict:
        sink = sink_of(tmp_path, strict.url)
        sink.open()
        until(lambda: "Not authorized" in sink.state, "the refusal")
        assert sink._courier._version == MQTTProtocolVersion.MQTTv5
        sink.close()


def test_a_full_outbox_drops_the_oldest_and_says_so(
    tmp_path: Path, absent: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    sink = sink_of(tmp_path, absent.url, outbox={"max_messages": 10})
    sink.open()
    with caplog.at_level(logging.WARNING):
        publish(sink, range(25))
        until(lambda: sink.counts()["dropped"] == 15, "the oldest are dropped")
    assert "full (drop_oldest), messages lost: " in caplog.text
    absent.start()
    client = Subscriber(absent.port)
    until(lambda: sink.counts()["waiting"] == 0, "the outbox is empty")
    sink.close()
    assert sink.counts()["delivered"] == 10
    assert numbers(client) == list(range(15, 25))
    (report,) = {payload for topic, payload, _ in client.messages if topic == REPORT and b'"waiting":0' in payload}
    assert json.loads(report)["lost_no_room"] == 15
    client.close()


def test_required_refuses_to_start_without_the_broker(tmp_path: Path) -> None:
    sink = sink_of(tmp_path, f"mqtt://127.0.0.1:{free_port()}", required=True, connect_timeout_s=0.5)
    with pytest.raises(TransferError, match=r"not reached in 0\.5 s: nobody listens there") as caught:
        sink.open()
    assert caught.value.exit_code == 7
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mqtt ")]


def test_what_was_not_delivered_goes_out_with_the_next_run(
    tmp_path: Path, absent: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    sink = sink_of(tmp_path, absent.url, flush_timeout_s=0.2)
    sink.open()
    publish(sink, range(3))
    with caplog.at_level(logging.WARNING):
        sink.close()
    assert "3 results wait on disk for the next run" in caplog.text
    absent.start()
    client = Subscriber(absent.port)
    later = sink_of(tmp_path, absent.url)
    later.open()
    publish(later, range(3, 5))
    until(lambda: len(numbers(client)) >= 5, "all five")
    later.close()
    found = [json.loads(payload) for payload in client.payloads(TOPIC)]
    client.close()
    assert sorted(one["seq"] for one in found) == [0, 1, 2, 3, 4]
    assert {one["seq"] for one in found if one.get("historical")} == {0, 1, 2}
    assert len({one["id"] for one in found}) == 5


def test_without_a_disk_results_that_were_not_delivered_are_lost_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = sink_of(tmp_path, f"mqtt://127.0.0.1:{free_port()}", flush_timeout_s=0.2, outbox={"durable": False})
    sink.open()
    publish(sink, range(3))
    with caplog.at_level(logging.ERROR):
        sink.close()
    assert "3 results were not delivered" in caplog.text


def test_a_second_run_of_a_pipeline_is_refused(tmp_path: Path) -> None:
    sinks = [sink_of(tmp_path, f"mqtt://127.0.0.1:{free_port()}", flush_timeout_s=0) for _ in range(2)]
    sinks[0].open()
    with pytest.raises(BusyError, match="another run uses it"):
        sinks[1].open()
    sinks[0].close()


def test_a_broker_that_hangs_does_not_hang_the_end(tmp_path: Path, broker: Mosquitto) -> None:
    sink = sink_of(tmp_path, broker.url, flush_timeout_s=0.3)
    sink.open()
    until(lambda: sink.state.startswith("connected"), "the connection")
    broker.signal(signal.SIGSTOP)
    publish(sink, range(5000))
    began_s = time.monotonic()
    sink.close()
    broker.signal(signal.SIGCONT)
    assert time.monotonic() - began_s < 5
    assert sink.counts()["waiting"] >= 4900
    assert not [thread for thread in threading.enumerate() if thread.name == f"mqtt {broker.url}"]


@contextmanager
def with_password(folder: Path) -> Iterator[Mosquitto]:
    tool = require_tool("mosquitto_passwd", "mosquitto")
    (folder / "users").touch(0o600)
    subprocess.run([tool, "-b", str(folder / "users"), "me", "hunter2"], check=True, capture_output=True)
    (folder / "acl").write_text("user me\ntopic readwrite edge/#\ntopic deny edge/gw/p/secret\n")
    (folder / "acl").chmod(0o600)
    with mosquitto(
        folder, "allow_anonymous false", f"password_file {folder / 'users'}", f"acl_file {folder / 'acl'}"
    ) as running:
        yield running


def test_a_password_opens_the_door_and_is_never_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with with_password(tmp_path) as strict:
        sink = sink_of(tmp_path, strict.url, username="me", password=FromEnvironment("hunter2"), required=True)
        sink.open()
        publish(sink, range(1))
        sink.close()
        assert sink.counts()["delivered"] == 1
        wrong = sink_of(tmp_path, strict.url, username="me", password=FromEnvironment("hunter3"), required=True)
        with pytest.raises(AccessDeniedError) as caught:
            wrong.open()
    assert caught.value.exit_code == 6
    assert "hunter" not in caplog.text + str(caught.value) + repr(sink.__dict__)


def test_a_refused_publication_is_counted_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with with_password(tmp_path) as strict:
        sink = sink_of(tmp_path, strict.url, username="me", password=FromEnvironment("hunter2"))
        sink.open()
        with caplog.at_level(logging.WARNING):
            sink.publish(replace(RESULT, step="secret"))
            sink.publish(RESULT)
            sink.close()
    assert sink.counts()["refused"] == 1
    assert sink.counts()["delivered"] == 1
    assert "refused a message to edge/gw/p/secret: 0x87 Not authorized" in caplog.text


def certificates(folder: Path, name: str) -> None:
    openssl = require_tool("openssl", "openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], check=True, capture_output=True, cwd=folder)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    run("req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test-ca", *ca)
    run("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName={name}\n")
    signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    run("x509", "-req", "-in", "server.csr", *signing, "-out", "server.crt")


@pytest.mark.parametrize(("name", "good"), [("IP:127.0.0.1", True), ("DNS:elsewhere", False)])
def test_the_name_in_the_certificate_is_checked(tmp_path: Path, name: str, *, good: bool) -> None:
    certificates(tmp_path, name)
    files = [f"{key} {tmp_path / file}" for key, file in (("certfile", "server.crt"), ("keyfile", "server.key"))]
    with mosquitto(tmp_path, "allow_anonymous true", *files) as secure:
        url = secure.url.replace("mqtt:", "mqtts:")
        sink = sink_of(tmp_path, url, ca="ca.crt")
        sink.open()
        if good:
            publish(sink, range(1))
            until(lambda: sink.counts()["delivered"] == 1, "the confirmation")
        else:
            until(lambda: "certificate is not trusted" in sink.state, "the refusal")
        sink.close()
        stranger = sink_of(tmp_path, url)
        stranger.open()
        until(lambda: "certificate is not trusted" in stranger.state, "an unknown authority")
        stranger.close()
    assert ssl.HAS_TLSv1_2


@pytest.mark.parametrize(
    "answer", [b"", b"\x20\x03\x00\x00\x00", b"\xff" * 64, b"\x20\xff\xff\xff\xff\x7f", b"HTTP/1.1 400 Bad\r\n\r\n"]
)
def test_a_server_that_is_no_broker_is_survived(tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve() -> None:
            server.settimeout(0.1)
            while not stop.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                with peer:
                    peer.settimeout(1)
                    peer.recv(1024)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        sink = sink_of(tmp_path, f"mqtt://127.0.0.1:{server.getsockname()[1]}", connect_timeout_s=1, flush_timeout_s=0)
        sink.open()
        publish(sink, range(5))
        until(lambda: not sink.state.endswith("no answer yet"), "a reason")
        assert sink._courier._thread is not None
        assert sink._courier._thread.is_alive()
        sink.close()
        stop.set()
        thread.join()
