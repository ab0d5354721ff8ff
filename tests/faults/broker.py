"""The broker goes away: SIGKILL, SIGSTOP for two seconds, a clean stop for four."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.broker import Mosquitto
from tests.faults.line import RETRY, Figures, Line


def broker_kill(folder: Path, count: int, seed: int) -> Figures:
    def fault(broker: Mosquitto, chance: random.Random) -> None:
        broker.stop(kill=True)
        time.sleep(chance.uniform(0.1, 1.0))
        broker.start()

    return _repeat("broker-kill", folder, count, seed, fault)


def broker_hang(folder: Path, count: int, seed: int) -> Figures:
    def fault(broker: Mosquitto, chance: random.Random) -> None:
        broker.signal(signal.SIGSTOP)
        time.sleep(2.0)
        broker.signal(signal.SIGCONT)

    return _repeat("broker-hang", folder, count, seed, fault)


def broker_stop(folder: Path, count: int, seed: int) -> Figures:
    def fault(broker: Mosquitto, chance: random.Random) -> None:
        broker.stop()
        time.sleep(4.0)
        broker.start()

    return _repeat("broker-stop", folder, count, seed, fault)


def _repeat(
    name: str, folder: Path, count: int, seed: int, fault: Callable[[Mosquitto, random.Random], None]
) -> Figures:
    chance = random.Random(seed)
    with Line(folder, options=RETRY) as line:
        line.start()
        line.until_accepted(50)
        for _ in range(count):
            time.sleep(chance.uniform(0.5, 2.0))
            line.fault()
            fault(line.broker, chance)
            line.until_accepted(50)
        time.sleep(2.0)
        line.drain()
        return line.audit(name, seed, count)
