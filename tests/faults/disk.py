"""The Nth call that writes, syncs, makes or removes something in the outbox's folder fails, for every N up to a count.

EIO and ENOSPC must not stop the line, and nothing may be lost: what cannot be stored goes out from memory. After a kill
at the call, or in the middle of its write, what was accepted must arrive in the next run.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

from tests.broker import until
from tests.faults.line import Figures, Line
from tests.hostile.faults.shim import Action, Fault

ENOUGH = 40
#: A run has fewer calls than these messages need; a fault that has not come by then is beyond its end.
MOST = 400
PATIENCE_S = 30.0


def every_call(action: Action, folder: Path, count: int, seed: int) -> Figures:
    """Run once for each call from 1 to `count`, with a fresh outbox; `seed` is the first of them."""
    box, state = folder / "box", folder / "state"
    state.mkdir()
    stopped, missing, fired = 0, 0, 0
    with Line(folder, rate_hz=800, outbox="reserve_mib = 0", path="box/o.db") as line:
        for number in range(seed, seed + count):
            shutil.rmtree(box, ignore_errors=True)
            box.mkdir()
            fault = Fault(box, state, action, at=number)
            line.environment = fault.environment()
            line.fault()
            process = line.start()
            before = len(line.received())
            _run(line, process, fault, before)
            came = fault.fired
            fired += came
            if action in ("kill", "torn"):
                line.kill()
            else:
                stopped += process.poll() is not None
                line.drain()
                missing += _holes(line.received()[before:])
            line.environment = {}
            line.start()
            line.drain()
        return line.audit(f"disk-{action}", seed, count, fired=fired, stopped=stopped, missing=missing)


def _run(line: Line, process: subprocess.Popen[bytes], fault: Fault, before: int) -> None:
    """Let the line run until the fault has come, and some messages more."""
    deadline_s = time.monotonic() + PATIENCE_S
    while process.poll() is None and not fault.fired and len(line.received()) < before + MOST:
        assert time.monotonic() < deadline_s, f"nothing flows: {(line.folder / 'log').read_text()[-2000:]}"
        time.sleep(0.02)
    more = len(line.received()) + ENOUGH
    if process.poll() is None and fault.action not in ("kill", "torn"):
        until(
            lambda: process.poll() is not None or len(line.received()) >= more, "it flows after the fault", PATIENCE_S
        )


def _holes(received: list[tuple[float, int, bool]]) -> int:
    """Return how many numbers of one run did not arrive: its numbers have no holes."""
    numbers = {number for _, number, _ in received}
    return max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 1


disk_eio = partial(every_call, "eio")
disk_enospc = partial(every_call, "enospc")
disk_kill = partial(every_call, "kill")
disk_short = partial(every_call, "short")
disk_torn = partial(every_call, "torn")
