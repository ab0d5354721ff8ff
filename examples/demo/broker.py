"""An MQTT broker inside this process, for machines that have none: amqtt, on a free port of the loopback interface."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edge_sdk.errors import DeadlineError, MissingExtraError

PATIENCE_S = 20.0


@contextmanager
def local_broker() -> Iterator[str]:
    """Run the broker on a thread with its own event loop; yields its URL."""
    try:
        from amqtt.broker import Broker
    except ImportError as missing:
        raise MissingExtraError(
            "no EDGE_MQTT_URL is given, and the demo's own broker (amqtt) is not installed",
            hint="pip install amqtt, or EDGE_MQTT_URL=mqtt://HOST:PORT make demo",
        ) from missing
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    port, loop, ready = _free_port(), asyncio.new_event_loop(), threading.Event()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    brokers: list[Broker] = []

    async def serve() -> None:
        brokers.append(Broker(config))
        await brokers[0].start()
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, name="amqtt", daemon=True)
    thread.start()
    if not ready.wait(PATIENCE_S):
        raise DeadlineError(f"the demo's own broker did not start on 127.0.0.1:{port} in {PATIENCE_S:g} s")
    try:
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(brokers[0].shutdown(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
