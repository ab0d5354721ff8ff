"""How fast results go from `publish` to the broker's PUBACK, through the synced outbox, against a real mosquitto.

    python benchmarks/delivery.py throughput [--seconds 20] [--json]
    python benchmarks/delivery.py latency [--messages 2000] [--json]
    python benchmarks/delivery.py backlog [--mib 1024] [--json]

throughput: messages of 200 bytes, QoS 1, as fast as the broker confirms them, durable and in memory in turns.
latency: one message at a time, from put to PUBACK, beside the sync of 4 KiB on the same disk.
backlog: fills the outbox while the broker is away, then drains it beside 100 live messages a second.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge_sdk.config import Where, decode
from edge_sdk.publish.mqtt import MqttSink
from edge_sdk.publish.outbox import Outbox
from edge_sdk.publish.outbox_records import Message
from tests.broker import Mosquitto, Subscriber, mosquitto

BROKER = ("allow_anonymous true", "max_queued_messages 0")
TOPIC = "edge/bench/line/win"
#: 200 bytes on the wire, as JSON.
PAYLOAD = b'{"device":"bench","pipeline":"line","step":"win","pad":"%s"}' % (b"x" * 143)
GOAL_PER_S, GOAL_LATENCY_S = 10_000, 0.005


class Bench:
    """A sink with its outbox in a folder, and the times of its confirmations."""

    def __init__(self, folder: Path, url: str, **outbox: Any) -> None:
        where = Where(folder / "p.toml", "sinks[0]")
        options = {"url": url, "report_s": 0, "outbox": {"path": "o.db", "backlog_rate_hz": 0, **outbox}}
        self.sink = MqttSink(decode(options, MqttSink.Options, where), where, "line", "bench")
        self.outbox: Outbox = self.sink._outbox
        self.settled = threading.Semaphore(0)
        self.settled_s = 0.0
        real = self.outbox.settle

        def settle(messages: Iterable[Message], *, dead: str = "") -> None:
            self.settled_s = time.perf_counter()
            real(messages, dead=dead)
            self.settled.release()

        self.outbox.settle = settle  # type: ignore[method-assign]
        self.sink.open()

    def put(self, data: bytes = PAYLOAD) -> int:
        number = self.outbox.number()
        self.outbox.put(Message(number, TOPIC, data))
        return number

    def delivered(self) -> int:
        return self.sink.counts()["delivered"]


def throughput(args: argparse.Namespace, broker: Mosquitto, folder: Path) -> dict[str, Any]:
    """Interleave durable and not; the producer keeps a thousand messages waiting."""
    rates: dict[str, list[float]] = {"durable": [], "memory": []}
    for number in range(6):
        kind = ("durable", "memory")[number % 2]
        place = folder / str(number)
        place.mkdir()
        bench = Bench(place, broker.url, durable=kind == "durable")
        began_s = time.perf_counter()
        while (spent_s := time.perf_counter() - began_s) < args.seconds / 3:
            for _ in range(100):
                bench.put()
            while bench.outbox.waiting > 1000:
                time.sleep(0.001)
        rates[kind].append(bench.delivered() / spent_s)
        bench.sink.close()
    durable, memory = (sorted(rates[kind])[1] for kind in ("durable", "memory"))
    return {
        "durable_per_s": round(durable),
        "durable_runs": [round(rate) for rate in rates["durable"]],
        "memory_per_s": round(memory),
        "durable_over_memory": round(durable / memory, 3),
        "goal_per_s": GOAL_PER_S,
        "payload_bytes": len(PAYLOAD),
    }


def latency(args: argparse.Namespace, broker: Mosquitto, folder: Path) -> dict[str, Any]:
    """One at a time, a sync of the bare disk between them."""
    bench = Bench(folder, broker.url)
    handle = os.open(folder / "sync", os.O_WRONLY | os.O_CREAT)
    found: list[float] = []
    syncs: list[float] = []
    time.sleep(0.5)
    for _ in range(args.messages):
        began_s = time.perf_counter()
        bench.put()
        bench.settled.acquire()
        found.append(bench.settled_s - began_s)
        time.sleep(0.002)
        began_s = time.perf_counter()
        os.pwrite(handle, bytes(4096), 0)
        os.fdatasync(handle)
        syncs.append(time.perf_counter() - began_s)
    bench.sink.close()
    os.close(handle)
    found.sort()
    syncs.sort()
    p99, sync_p99 = found[len(found) * 99 // 100], syncs[len(syncs) * 99 // 100]
    return {
        "p50_ms": round(1e3 * found[len(found) // 2], 3),
        "p99_ms": round(1e3 * p99, 3),
        "sync_p50_ms": round(1e3 * syncs[len(syncs) // 2], 3),
        "sync_p99_ms": round(1e3 * sync_p99, 3),
        "p99_above_sync_ms": round(1e3 * (p99 - sync_p99), 3),
        "goal_above_sync_ms": 1e3 * GOAL_LATENCY_S,
    }


def backlog(args: argparse.Namespace, broker: Mosquitto, folder: Path) -> dict[str, Any]:
    """Fill, connect, drain beside live data."""
    broker.stop()
    limits = {"max_mib": 4 * args.mib, "max_messages": 50_000_000, "backlog_rate_hz": args.rate}
    bench = Bench(folder, broker.url, **limits)
    began_s = time.perf_counter()
    count = 0
    while bench.outbox.totals.size_bytes < args.mib * 2**20:
        for _ in range(500):
            bench.put()
        count += 500
        while bench.sink.counts()["waiting"] - bench.outbox.kept > 5000:
            time.sleep(0.005)
    filled_s = time.perf_counter() - began_s
    time.sleep(1.5)
    rss = _rss_mib()
    broker.start()
    heard = _Heard(broker)
    began_s = time.perf_counter()
    most_rss, live = rss, 0
    while bench.outbox.waiting > 200:
        bench.put(b'{"put_s":%.6f}' % time.perf_counter())
        live += 1
        time.sleep(0.01)
        most_rss = max(most_rss, _rss_mib())
    drained_s = time.perf_counter() - began_s
    time.sleep(1.0)
    bench.sink.close()
    return {
        "messages": count,
        "mib": args.mib,
        "fill_per_s": round(count / filled_s),
        "drain_per_s": round(count / drained_s),
        "live_messages": live,
        "live_latest_s": round(max(heard.late_s, default=0.0), 3),
        "received": heard.count,
        "rss_before_mib": round(rss),
        "rss_most_mib": round(most_rss),
        "file_after_mib": round((folder / "o.db").stat().st_size / 2**20, 1),
    }


class _Heard:
    """Counts what arrives, and how late live messages are."""

    def __init__(self, broker: Mosquitto) -> None:
        self.count = 0
        self.late_s: list[float] = []
        self._subscriber = Subscriber(broker.port, TOPIC)
        self._subscriber._client.on_message = self._take

    def _take(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        self.count += 1
        if message.payload.startswith(b'{"put_s"') and b"historical" not in message.payload:
            self.late_s.append(time.perf_counter() - json.loads(message.payload)["put_s"])


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


MEASUREMENTS = {"backlog": backlog, "latency": latency, "throughput": throughput}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=sorted(MEASUREMENTS))
    parser.add_argument("--seconds", type=float, default=20.0, help="of throughput, each kind")
    parser.add_argument("--messages", type=int, default=2000, help="of latency")
    parser.add_argument("--mib", type=int, default=1024, help="of backlog")
    parser.add_argument("--rate", type=float, default=6000.0, help="of backlog: results a second; 0: no limit")
    parser.add_argument("--folder", type=Path, help="on the disk that is measured; default a temporary one")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.folder, prefix="edge-delivery-")))
        broker = stack.enter_context(mosquitto(folder, *BROKER))
        place = folder / "outbox"
        place.mkdir()
        figures = MEASUREMENTS[args.what](args, broker, place)
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:22} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
