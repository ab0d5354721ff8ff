"""The Nth change below a folder fails: builds shim.c, and gives the environment that puts it into a program.

fault = Fault(root, folder, "enospc", at=7)
subprocess.run(command, env=os.environ | fault.environment())
fault.calls, fault.fired
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support import preloadable

Action = Literal["count", "eio", "enospc", "kill", "short", "torn"]
ACTIONS: tuple[Action, ...] = ("kill", "torn", "eio", "enospc", "short")
SOURCE = Path(__file__).with_name("shim.c")
_STATE = struct.Struct("=III")


@dataclass(frozen=True)
class Fault:
    """One fault to come.

    Attributes:
        root: only calls below it count.
        folder: where the count and the log are kept; not below root.
        at: the number of the call, from 1; 0 for none.
    """

    root: Path
    folder: Path
    action: Action = "count"
    at: int = 0

    def environment(self, *, log: bool = False) -> dict[str, str]:
        """Return the variables for the program; the count starts again."""
        self._state.write_bytes(_STATE.pack(0, 0, 0))
        self._log.unlink(missing_ok=True)
        plain = {
            "LD_PRELOAD": str(preloadable(SOURCE)),
            "EDGE_FAULT_ROOT": str(self.root.resolve()),
            "EDGE_FAULT_STATE": str(self._state),
            "EDGE_FAULT_AT": str(self.at),
            "EDGE_FAULT_DO": self.action,
        }
        return plain | ({"EDGE_FAULT_LOG": str(self._log)} if log else {})

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return int(_STATE.unpack(self._state.read_bytes())[0])

    @property
    def fired(self) -> bool:
        """Whether it came."""
        return bool(_STATE.unpack(self._state.read_bytes())[1])

    def log(self) -> list[tuple[str, str]]:
        """Return (call, path) of each counted call, in order; the environment must have asked for it."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        numbered = sorted((int(number), call, path) for number, call, path in (line.split(" ", 2) for line in lines))
        return [(call, path) for _, call, path in numbered]

    @property
    def _state(self) -> Path:
        return self.folder / "fault.state"

    @property
    def _log(self) -> Path:
        return self.folder / "fault.log"
