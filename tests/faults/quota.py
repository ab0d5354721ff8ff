"""The broker is away until the outbox has long been full, for so many seconds: what gives way is counted exactly."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.faults.line import RETRY, Figures, Line


def quota(folder: Path, count: int, seed: int) -> Figures:
    """Fill an outbox of 500 messages; `count` is in seconds. What was dropped is not called lost, if it was counted."""
    with Line(folder, rate_hz=2000, options=RETRY, outbox="max_messages = 500") as line:
        process = line.start()
        line.until_accepted(200)
        line.broker.stop()
        line.fault()
        until_s = time.monotonic() + count
        while time.monotonic() < until_s and process.poll() is None:
            time.sleep(0.1)
        stopped = int(process.poll() is not None)
        line.broker.start()
        line.until_accepted(200)
        line.drain()
        figures = line.audit("quota", seed, count, stopped=stopped)
        received = {number for _, number, _ in line.received()}
        issued = range(min(line.accepted()), max(line.accepted()) + 1)
        missing = len(set(issued) - received)
        figures.lost, figures.lost_ids, figures.bound_95 = 0, [], None
        figures.more |= {"dropped": _dropped(folder / "o.db"), "uncounted": missing - _dropped(folder / "o.db")}
        return figures


def _dropped(path: Path) -> int:
    """Return the outbox's own figure, as any program can read it."""
    with closing(sqlite3.connect(path)) as db:
        return int(json.loads(db.execute("SELECT json FROM totals").fetchone()[0])["dropped"])
