"""Real bearings, the whole way: recordings -> pseudo-terminal -> serial source -> pipeline -> mosquitto -> subscriber.

Trained on loads 0 to 2, judged on load 3 of the recordings of the Case Western Reserve University bearing data centre.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from edge_sdk.sim.serial_link import FRAME_SAMPLES, FrameFormat, PtyLink, SimulatedSensor
from tests.broker import Subscriber, mosquitto, until
from tests.support import REPOSITORY, require_shared

BEARING = REPOSITORY / "examples" / "bearing"
WINDOW = 1024
#: Simulated seconds per second: 45 s of recordings in about 6 s.
SPEED = 8.0


def train(data: Path, out: Path) -> list[str]:
    """Train the model; return its labels."""
    command = [sys.executable, str(BEARING / "train.py"), "--cwru", str(data), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    return (out / "cwru.labels.txt").read_text().split()


def load_3(data: Path, labels: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return one long recording, whole windows of each fault in turn, and the label of each window."""
    recordings = np.load(data / "cwru_12k_DE.npz")
    parts, truth = [], []
    for label in labels:
        samples = recordings[f"{label}_load3"]
        count = len(samples) // WINDOW
        parts.append(samples[: count * WINDOW])
        truth += [label] * count
    together = np.concatenate(parts).astype(np.float32)
    return np.pad(together, (0, -len(together) % FRAME_SAMPLES))[:, None], truth


def reader_of(samples: np.ndarray):
    at = [0]

    def read(count: int) -> np.ndarray:
        piece = samples[at[0] : at[0] + count]
        at[0] += len(piece)
        return piece

    return read


def test_nine_faults_of_load_3_are_told_apart_through_port_pipeline_and_broker(tmp_path):
    data = require_shared("data/cwru")
    labels = train(data, tmp_path)
    samples, truth = load_3(data, labels)
    assert len(labels) == 9
    assert len(truth) == 522
    with mosquitto(tmp_path) as broker, PtyLink() as link:
        client, stop = Subscriber(broker.port), threading.Event()
        sensor = SimulatedSensor(link, reader_of(samples), 12000.0, frame_format=FrameFormat(), speed=SPEED, wait=True)

        def send() -> None:
            if link.wait_for_reader(60, stop):
                sensor.run(stop)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            run_pipeline(tmp_path, link.port, broker.url, len(truth))
            until(lambda: len(results(client)) >= len(truth), "all results arrive")
        finally:
            stop.set()
            thread.join(10)
            client.close()
    found = results(client)
    assert [result["seq"] for result in found] == list(range(len(truth))), "a window is missing"
    assert not any(result["gap"] for result in found)
    right = np.array([result["label"] == label for result, label in zip(found, truth, strict=True)])
    print(f"accuracy {right.mean():.4f} of {len(truth)} windows, engine {found[0]['engine']}")
    assert right.mean() >= 0.95


def run_pipeline(folder: Path, port: str, url: str, results: int) -> None:
    command = [
        sys.executable,
        "-m",
        "edge_sdk.cli.main",
        "run",
        str(BEARING / "cwru.toml"),
        "--max-results",
        str(results),
    ]
    environment = {
        **os.environ,
        "EDGE_PORT": port,
        "EDGE_MQTT_URL": url,
        "EDGE_MODEL": str(folder / "cwru.tflite"),
        "EDGE_LABELS": str(folder / "cwru.labels.txt"),
    }
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr


def results(client: Subscriber) -> list[dict[str, object]]:
    return [json.loads(payload) for topic, payload, _ in client.messages if topic.endswith("/fault")]
