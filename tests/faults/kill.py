"""SIGKILL of the pipeline's process: at a system call chosen at random among the next 3000 of a running line, and, for
every fifth kill, at a random moment of its start, when it looks through what the kill before left behind."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from tests.faults.line import WINDOW, Figures, Line
from tests.faults.ptrace import kill_at_syscall

CALLS = 3000
START_S = 1.5


def kill(folder: Path, count: int, seed: int) -> Figures:
    """Kill so many times; audit."""
    chance = random.Random(seed)
    histogram: Counter[str] = Counter()
    with Line(folder) as line:
        for number in range(count):
            process = line.start()
            if number % 5 == 4:
                time.sleep(chance.uniform(0.0, START_S))
                histogram["(while starting)"] += 1
            else:
                line.until_accepted(20)
                histogram[kill_at_syscall(process.pid, chance.randint(1, CALLS))] += 1
            line.fault()
            line.kill()
        line.drain()
        return line.audit("kill", seed, count, histogram=dict(histogram.most_common()), window=WINDOW)
