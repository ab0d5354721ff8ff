from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from edge_sdk.cli.main import main

COMMAND = [sys.executable, "-m", "edge_sdk.cli.main", "sim", "motor"]


@pytest.fixture
def started():
    """Start `edge-sdk sim motor` with options; ended when the test ends."""
    processes = []

    def start(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_first_line_is_the_port_and_frames_come_out_of_it(started):
    process = started("--speed", "20")
    port = process.stdout.readline().strip()
    handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
    assert bytes.fromhex("a55a") in os.read(handle, 4096)
    os.close(handle)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_json_tells_port_fault_and_end_in_order(started):
    process = started("--json", "--fault", "ball", "--fault-at", "1", "--seconds", "2", "--speed", "50")
    out, _ = process.communicate(timeout=30)
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["port", "fault", "end"]
    assert events[0]["source"]["rate_hz"] == 12000
    assert 1.0 <= events[1]["simulated_s"] < 2.1
    assert events[2]["frames"] >= 400


def test_when_opened_waits_for_the_reader(started):
    process = started("--json", "--when-opened", "--seconds", "0.1")
    port = json.loads(process.stdout.readline())["port"]
    handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
    arrived = b""
    while bytes.fromhex("a55a") not in arrived:
        arrived += os.read(handle, 4096)
    assert arrived.strip(b"\0").startswith(bytes.fromhex("a55a0000")), arrived[:40]
    assert json.loads(process.stdout.readline())["event"] == "opened"
    os.close(handle)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--speed", "0"], "--speed: expected 0.001 to 1000, got 0"),
        (["--speed", "nan"], "--speed: expected 0.001 to 1000, got nan"),
        (["--seconds", "nan"], "--seconds: expected 0 to 1e+09, got nan"),
        (["--seed", "-1"], "--seed: expected 0 or more, got -1"),
        (["--speed-rpm", "-5"], "speed_rpm: expected a number above 0"),
        (["--fault", "gearbox"], "gearbox"),
        ([], None),
    ],
)
def test_wrong_use_is_exit_code_2(options, message, capsys):
    assert main(["sim", *(["motor", *options] if message else [])]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message is None or message in error
