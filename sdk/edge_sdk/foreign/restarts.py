"""How soon a process that died is started again: at once the first time, then after ever longer pauses.

    deaths in a row   1   2        3       4     ...  8      9 and more
    pause             0   0.25 s   0.5 s   1 s   ...  16 s   30 s         until one has lived for a minute

A process that dies of its model costs a start each time; the pauses keep a loop of deaths from eating a board.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
#: What lived this long was healthy: its end is the first one again.
HEALTHY_S = 60.0


class Restarts:
    """Counts ends and says when the next start may be.

    Args:
        monotonic: the clock.

    Attributes:
        in_a_row: ends since the last process that was healthy.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._not_before_s = 0.0
        self.in_a_row = 0

    def ended(self, started_s: float) -> None:
        """Note that the process that was started then is no more."""
        now_s = self._monotonic()
        self.in_a_row = 1 if now_s - started_s >= HEALTHY_S else self.in_a_row + 1
        pause_s = 0.0 if self.in_a_row == 1 else FIRST_PAUSE_S * 2.0 ** min(self.in_a_row - 2, 16)
        self._not_before_s = now_s + min(pause_s, LONGEST_PAUSE_S)

    def wait_s(self) -> float:
        """Return how long the next start has to wait; 0 for not at all."""
        return max(0.0, self._not_before_s - self._monotonic())
