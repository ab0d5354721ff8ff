"""Real MQTT brokers for tests, on free loopback ports: mosquitto (5 and 3.1.1) and amqtt (3.1.1 only)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.support import require_tool, skip_loudly

PATIENCE_S = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(happened: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something that another thread or process does."""
    deadline_s = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline_s, f"waited {patience_s:g} s in vain: {what}"
        time.sleep(0.01)


class Mosquitto:
    """A mosquitto that can be stopped and started again on the same port."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self._program = require_tool("mosquitto", "mosquitto")
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        settings = [line.replace("{port}", str(self.port)) for line in lines or ("allow_anonymous true",)]
        self._config.write_text("\n".join(["user root", f"listener {self.port} 127.0.0.1", *settings]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        self._process = process
        until(lambda: self._answers() or process.poll() is not None, "mosquitto listens")
        assert process.poll() is None, self._log.read_text()

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(PATIENCE_S)
            self._process = None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True


@contextmanager
def mosquitto(folder: Path, *lines: str, running: bool = True) -> Iterator[Mosquitto]:
    """Run a broker, or only reserve its port; `lines` replace `allow_anonymous true`."""
    broker = Mosquitto(folder, *lines)
    if running:
        broker.start()
    try:
        yield broker
    finally:
        broker.stop(kill=True)


@contextmanager
def amqtt_broker() -> Iterator[str]:
    """Run amqtt on a thread of this process; yields its URL."""
    try:
        from amqtt.broker import Broker
    except ImportError:
        skip_loudly("amqtt is not installed; try: pip install amqtt")
    port, loop = free_port(), asyncio.new_event_loop()
    config: dict[str, Any] = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker: list[Any] = []
    ready = threading.Event()

    async def serve() -> None:
        broker.append(Broker(config))
        await broker[0].start()
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S), "amqtt did not start"
    try:
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(broker[0].shutdown(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


class Subscriber:
    """An independent client that keeps every message: (topic, payload, retained)."""

    def __init__(self, port: int, topic: str = "#", *, version: int = MQTTProtocolVersion.MQTTv5, **login: str) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion(version))
        if login:
            self._client.username_pw_set(login["username"], login["password"])
        self._client.on_message = lambda client, data, message: self.messages.append(
            (message.topic, bytes(message.payload), message.retain)
        )
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *arguments: subscribed.set()
        self._client.on_connect = lambda client, *arguments: client.subscribe(topic, qos=1)
        self._client.connect("127.0.0.1", port, 30)
        self._client.loop_start()
        assert subscribed.wait(PATIENCE_S), "not subscribed"

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in self.messages if name == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
