"""One command for each fault.

    python -m tests.faults kill --count 50 --seed 1
    python -m tests.faults broker-kill --count 50 --json

Ends with 0 when nothing that was accepted is lost, with 8 otherwise.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path

#: name -> (module:function of (folder, count, seed), usual count, what is done)
FAULTS = {
    "broker-hang": ("tests.faults.broker:broker_hang", 50, "the broker is stopped (SIGSTOP) for 2 s"),
    "broker-kill": ("tests.faults.broker:broker_kill", 50, "the broker is killed and starts again"),
    "broker-stop": ("tests.faults.broker:broker_stop", 50, "the broker ends cleanly and starts again after 4 s"),
    "disk-eio": ("tests.faults.disk:disk_eio", 200, "the Nth call on the outbox's folder fails with EIO, for each N"),
    "disk-enospc": ("tests.faults.disk:disk_enospc", 200, "from the Nth call on the disk is full"),
    "disk-kill": ("tests.faults.disk:disk_kill", 200, "the pipeline is killed at the Nth call"),
    "disk-short": ("tests.faults.disk:disk_short", 200, "the Nth write is done half, then the disk is full"),
    "disk-torn": ("tests.faults.disk:disk_torn", 200, "the pipeline is killed in the middle of the Nth write"),
    "kill": ("tests.faults.kill:kill", 1000, "the pipeline is killed at a random system call"),
    "loss": ("tests.faults.network:loss", 20, "1 to 20 % of the packets are lost, 5 s each time"),
    "partition": ("tests.faults.network:partition", 20, "the network is gone for 1 to 10 s"),
    "power": ("tests.faults.power:power", 1000, "the power is cut: what was not synced reaches the disk or not"),
    "quota": ("tests.faults.quota:quota", 3600, "the outbox is full for so many seconds"),
    "slow": ("tests.faults.network:slow", 20, "the network has 64 kbit/s, 5 s each time"),
}
LOST = 8


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("fault", choices=sorted(FAULTS), help="; ".join(f"{k}: {v[2]}" for k, v in FAULTS.items()))
    parser.add_argument("--count", type=int, help="how often; default as docs/delivery.md has it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--keep", type=Path, help="use this empty folder and leave it")
    args = parser.parse_args()
    target, usual, _ = FAULTS[args.fault]
    module, _, function = target.partition(":")
    count = args.count or usual
    with tempfile.TemporaryDirectory(prefix="edge-faults-") as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = getattr(import_module(module), function)(folder, count, args.seed)
    table = {"date": datetime.date.today().isoformat(), **figures.as_dict()}
    if args.json:
        print(json.dumps(table))
    else:
        for name, value in table.items():
            print(f"{name:20} {value}")
    return 0 if figures.is_good else LOST


if __name__ == "__main__":
    sys.exit(main())
