"""`make demo` as a user sees it: a process of its own, a broker of its own or somebody else's, its exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime

from tests.broker import Subscriber, mosquitto
from tests.support import REPOSITORY

SECONDS = 12


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "examples" / "demo" / "run.py")]
    surroundings = {**os.environ, "EDGE_MQTT_URL": "", "DEMO_SECONDS": str(SECONDS), **environment}
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=120)


def utc(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))


def test_results_reach_a_subscriber_and_alarms_come_only_after_the_fault(tmp_path):
    with mosquitto(tmp_path) as broker:
        client = Subscriber(broker.port)
        ended = demo(EDGE_MQTT_URL=broker.url)
        client.close()
    assert ended.returncode == 0, ended.stderr
    results = [json.loads(data) for topic, data, _ in client.messages if topic.endswith("/alarm")]
    assert len(results) >= 3 * SECONDS
    assert [result["seq"] for result in results] == list(range(len(results)))
    (stamp,) = re.findall(r"^(\S+Z)  the motor breaks", ended.stderr, re.MULTILINE)
    alarms = [result["time_utc"] for result in results if result["alarm"]]
    assert alarms, "no alarm arrived"
    # A result's stamp is that of its window's first sample; of the sixth window with a fault even that is after it.
    assert utc(alarms[0]) > utc(stamp)
    assert all(result["alarm"] for result in results[-5:])
    assert {result["engine"].split()[0] for result in results} <= {"host", "sandbox"}


def test_without_a_broker_it_brings_its_own():
    ended = demo()
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"\d+ results confirmed by the broker; the alarm came \d\.\d s after the fault", ended.stderr)


def test_a_broker_that_is_not_there_is_an_error_not_a_traceback():
    ended = demo(EDGE_MQTT_URL="mqtt://127.0.0.1:9")
    assert ended.returncode == 7, ended.stderr
    assert "error: MQTT broker mqtt://127.0.0.1:9" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_duration_that_cannot_be_is_refused():
    ended = demo(DEMO_SECONDS="soon")
    assert ended.returncode == 2
    assert "DEMO_SECONDS: expected a number from 10 to 86400, got 'soon'" in ended.stderr
