"""The power of the gateway is cut: at so many records of the journal of what a line did to its disk.

The line runs with its broker, without it, is killed, starts again, ends cleanly. For each cut the outbox must open
without damage, and hold each message that was accepted before the cut and had not reached the subscriber by then.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from edge_sdk.publish.outbox_file import OutboxFile
from edge_sdk.publish.outbox_options import OutboxOptions
from edge_sdk.publish.outbox_records import DamagedError
from tests.faults.journal import Disk, environment, records
from tests.faults.line import RETRY, Figures, Line

EVERY = 150
#: The subscriber writes down what it gets a little later than the broker confirms it.
SLACK_S = 1.0


def power(folder: Path, count: int, seed: int) -> Figures:
    """Cut so many times; audit."""
    box, log = folder / "box", folder / "journal"
    box.mkdir()
    with Line(folder, rate_hz=1000, options=RETRY, outbox="reserve_mib = 0", path="box/o.db") as line:
        line.environment = environment(box, folder / "accepted.pipe", log)
        _live(line)
        line.environment = {}
        line.drain()
        figures = line.audit("power", seed, count)
    cuts = _cut(folder, log, line.received(), count, random.Random(seed))
    figures.lost += len(cuts["lost"])
    figures.lost_ids += cuts["lost"][:20]
    figures.more = {"records": cuts["records"], "damaged": cuts["damaged"]}
    figures.bound_95 = round(3 / count, 6) if not figures.lost else None
    return figures


def _live(line: Line) -> None:
    line.start()
    line.until_accepted(EVERY)
    line.broker.stop()
    line.until_accepted(EVERY)
    line.kill()
    line.start()
    line.until_accepted(EVERY // 2)
    line.broker.start()
    line.until_accepted(EVERY)
    line.drain()
    line.start()
    line.until_accepted(EVERY // 2)
    line.kill()


def _cut(folder: Path, log: Path, received: list[tuple[float, int, bool]], count: int, chance: random.Random) -> dict:
    total = sum(1 for _ in records(log))
    moments = sorted(chance.choices(range(1, total + 1), k=count))
    first_s: dict[int, float] = {}
    for at_s, number, _ in received:
        first_s.setdefault(number, at_s)
    disk, accepted = Disk(), set()
    lost: list[int] = []
    damaged = cuts = 0
    for index, record in enumerate(records(log), 1):
        if record.op == "A":
            accepted |= {int(line) for line in record.data.split()}
        else:
            disk.follow(record)
        for _ in range(moments.count(index)):
            cuts += 1
            there = folder / "after"
            shutil.rmtree(there, ignore_errors=True)
            there.mkdir()
            disk.after_a_cut(chance, there)
            kept = _kept(there / "o.db")
            damaged += kept is None
            arrived = {number for number, at_s in first_s.items() if at_s <= record.time_s + SLACK_S}
            lost += sorted(accepted - (kept or set()) - arrived)
    return {"records": total, "cuts": cuts, "damaged": damaged, "lost": lost}


def _kept(path: Path) -> set[int] | None:
    """Return the ids in the outbox; None when it is damaged."""
    file = OutboxFile(path, OutboxOptions(reserve_mib=0))
    try:
        file.open()
        found, damaged = file.read(-1, 2**62, 1_000_000)
    except DamagedError:
        return None
    finally:
        file.close()
    return None if damaged else {message.number for message in found}
