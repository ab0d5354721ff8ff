"""From what was seen of a tensor to the range that its int8 steps cover. What lies outside is clipped.

min-max      everything that was seen
percentile   all but one value in 10,000: outliers do not make the steps coarse for all others
mse          the range of least mean squared error: clipped values count as rounded ones do
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.quantize.observers import Statistics

#: Share of the values that `percentile` clips on each side.
CLIPPED_SHARE = 1e-4
STEPS = 255
#: Candidates for each end of the range that `mse` tries, as shares of what was seen.
CANDIDATES = np.linspace(1 / 64, 1.0, 64)


@dataclass(frozen=True)
class Range:
    """What int8 has to cover; it holds 0."""

    low: float
    high: float

    def hull(self, other: Range) -> Range:
        """Return the range that covers both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def min_max(statistics: Statistics) -> Range:
    """Return the range of everything that was seen."""
    return Range(min(0.0, statistics.low), max(0.0, statistics.high))


def percentile(statistics: Statistics) -> Range:
    """Return the range of all but the rarest values."""
    whole = min_max(statistics)
    counts = statistics.counts
    allowed = CLIPPED_SHARE * (counts.sum() + statistics.zeros)
    edges = np.arange(-len(counts) // 2, len(counts) // 2 + 1) * statistics.width
    below = np.concatenate([[0], np.cumsum(counts)])  # values under each edge
    above = counts.sum() - below
    low = edges[np.flatnonzero(below <= allowed)[-1]]
    high = edges[np.flatnonzero(above <= allowed)[0]]
    return Range(min(0.0, max(whole.low, float(low))), max(0.0, min(whole.high, float(high))))


def least_squares(statistics: Statistics) -> Range:
    """Return the range of least mean squared error, out of a grid of candidates."""
    whole = min_max(statistics)
    lows, highs = whole.low * CANDIDATES, whole.high * CANDIDATES
    if whole.low == 0:
        lows = np.zeros(1)
    if whole.high == 0:
        highs = np.zeros(1)
    counts, centres = statistics.counts.astype(np.float64), statistics.centres
    clipped_low = np.array([_clipped(counts, centres, low, below=True) for low in lows])
    clipped_high = np.array([_clipped(counts, centres, high, below=False) for high in highs])
    scales = (highs[None, :] - lows[:, None]) / STEPS
    errors = clipped_low[:, None] + clipped_high[None, :] + counts.sum() * scales**2 / 12
    at_low, at_high = np.unravel_index(int(errors.argmin()), errors.shape)
    return Range(float(lows[at_low]), float(highs[at_high]))


def _clipped(counts: NDArray[np.float64], centres: NDArray[np.float64], end: float, *, below: bool) -> float:
    """Return the squared error of the values beyond one end of a range."""
    beyond = centres < end if below else centres > end
    return float((counts[beyond] * (centres[beyond] - end) ** 2).sum())


#: Name of a calibration -> how it chooses.
CALIBRATIONS: dict[str, Callable[[Statistics], Range]] = {
    "min-max": min_max,
    "mse": least_squares,
    "percentile": percentile,
}
