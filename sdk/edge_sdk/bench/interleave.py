"""The measuring itself: several contestants in turns, so that a noisy machine is noisy for all of them alike.

    round 1: host sandbox    round 2: sandbox host    round 3: host sandbox ...

Every turn is one sample: CPU time of this thread over enough calls that the clock's own cost (about 0.3 µs) does not
show. Contestants are compared round by round; the median of those ratios is far steadier than the ratio of two
medians taken minutes apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from statistics import median

#: Does as many calls and returns the nanoseconds of all of them.
Timer = Callable[[int], float]
#: A sample lasts at least this long, unless one call already does.
SAMPLE_NS = 200_000
MOST_CALLS = 10_000
FEWEST_ROUNDS = 5
_WARM_UP_CALLS = 3


@dataclass
class Samples:
    """What one contestant took: nanoseconds a call, one number a round."""

    calls_per_sample: int
    call_ns: list[float] = field(default_factory=list)

    @property
    def median_ns(self) -> float:
        return median(self.call_ns)

    @property
    def least_ns(self) -> float:
        return min(self.call_ns)

    def percentile_ns(self, percent: float) -> float:
        """Return the smallest sample that at least `percent` of all samples do not exceed (nearest rank)."""
        ordered = sorted(self.call_ns)
        return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]

    def ratio_to(self, other: Samples) -> float:
        """Return how many times as long this contestant takes: the median over the rounds."""
        return median(mine / theirs for mine, theirs in zip(self.call_ns, other.call_ns, strict=True) if theirs > 0)


def interleave(
    contestants: Mapping[str, Callable[[], object]],
    seconds: float,
    *,
    cpu_ns: Callable[[], int] = time.thread_time_ns,
    wall_s: Callable[[], float] = time.monotonic,
) -> dict[str, Samples]:
    """Let the contestants take turns for about `seconds`, at least `FEWEST_ROUNDS` rounds.

    Args:
        contestants: name -> one call; must not depend on what ran before.
        seconds: wall time for all of them together, warm-up not counted.
        cpu_ns, wall_s: the clocks.
    """
    return race({name: partial(time_calls, call, cpu_ns) for name, call in contestants.items()}, seconds, wall_s=wall_s)


def race(
    timers: Mapping[str, Timer], seconds: float, *, wall_s: Callable[[], float] = time.monotonic
) -> dict[str, Samples]:
    """Do what `interleave` does, with contestants that measure themselves."""
    results = {name: Samples(_calls_per_sample(timer)) for name, timer in timers.items()}
    names = list(timers)
    end = wall_s() + seconds
    rounds = 0
    while rounds < FEWEST_ROUNDS or wall_s() < end:
        for name in names if rounds % 2 == 0 else reversed(names):
            calls = results[name].calls_per_sample
            results[name].call_ns.append(timers[name](calls) / calls)
        rounds += 1
    return results


def time_calls(call: Callable[[], object], cpu_ns: Callable[[], int], calls: int) -> int:
    """Return the nanoseconds of so many calls."""
    turns = range(calls)
    start = cpu_ns()
    for _ in turns:
        call()
    return cpu_ns() - start


def _calls_per_sample(timer: Timer) -> int:
    timer(_WARM_UP_CALLS)
    calls = 1
    while calls < MOST_CALLS and timer(calls) < SAMPLE_NS:
        calls = min(MOST_CALLS, 2 * calls)
    return calls
