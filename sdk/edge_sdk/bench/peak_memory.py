"""Peak memory of one model on one engine, in a process of its own: a peak never goes down again within a process.

python -m edge_sdk.bench.peak_memory MODEL ENGINE  ->  {"before_kib": 41000, "peak_kib": 52000}
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edge_sdk import load
from edge_sdk.bench.inputs import random_inputs
from edge_sdk.runtime.child import child_command, child_environment

_CHILD_LIMIT_S = 120.0


@dataclass(frozen=True)
class PeakMemory:
    """Resident memory of a process that does nothing but run a model.

    Attributes:
        before_kib: peak with everything imported and no model loaded.
        peak_kib: peak after loading the model and running it three times.
    """

    before_kib: int
    peak_kib: int

    @property
    def model_mib(self) -> float:
        """What the model added, in MiB."""
        return (self.peak_kib - self.before_kib) / 1024


def peak_memory(model: Path, engine: str) -> PeakMemory | None:
    """Measure in a child process; None where the child gives no answer."""
    command, environment = child_command("edge_sdk.bench.peak_memory", str(model), engine), child_environment()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_CHILD_LIMIT_S, env=environment, check=True
        )
        return PeakMemory(**json.loads(done.stdout))
    except (subprocess.SubprocessError, ValueError, TypeError):
        return None


def _peak_kib() -> int:
    """Return this process's peak. Not ru_maxrss: that one starts with the peak of the process that started this one."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise ValueError("/proc/self/status has no VmHWM")


def main(model: str, engine: str) -> None:
    """Load, run three times, print."""
    before = _peak_kib()
    with load(Path(model), engine=engine) as loaded:
        inputs = random_inputs(loaded.inputs)
        for _ in range(3):
            loaded.run(*inputs)
        print(json.dumps({"before_kib": before, "peak_kib": _peak_kib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
