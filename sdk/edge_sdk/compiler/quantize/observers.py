"""What a tensor held while the float graph ran on samples: extremes, a histogram, and the mean where it is asked for.

The histogram grows: its bins are a power of two wide and stand on multiples of that width. When a value falls outside,
bins are merged in pairs until it fits. So one pass is enough, and the order of the samples does not matter much.

    -BINS * width          0          BINS * width
         |___|___|___|___|___|___|___|___|
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import InputError

#: Bins on each side of 0.
BINS = 2048
#: Exponents of a bin's width; smaller values than the first share a bin.
_LEAST_EXPONENT, _GREATEST_EXPONENT = -120, 127


@dataclass(frozen=True, eq=False)
class Statistics:
    """What was seen of one tensor.

    Attributes:
        low, high: the least and the greatest value.
        counts: values per bin, from -BINS * width upwards; exact zeros are left out, no scale rounds them.
        width: of a bin.
        zeros: how many values were exactly 0.
        mean: the mean over all samples, in the tensor's shape; None where it was not asked for.
    """

    low: float
    high: float
    counts: NDArray[np.int64]
    width: float
    zeros: int
    mean: NDArray[np.float64] | None = None

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of each bin."""
        middles: NDArray[np.float64] = (np.arange(-BINS, BINS, dtype=np.float64) + 0.5) * self.width
        return middles


class Observer:
    """Collects the statistics of one tensor.

    observer = Observer("conv1")
    for sample in samples: observer.see(run(sample))
    observer.statistics()
    """

    def __init__(self, name: str, *, with_mean: bool = False) -> None:
        self._name = name
        self._low, self._high = math.inf, -math.inf
        self._counts = np.zeros(2 * BINS, np.int64)
        self._exponent = _LEAST_EXPONENT
        self._zeros = 0
        self._with_mean = with_mean
        self._sum: NDArray[np.float64] | None = None
        self._seen = 0

    def see(self, values: NDArray[Any]) -> None:
        """Count one sample's values.

        Raises:
            InputError: one of them is infinite or not a number.
        """
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InputError(
                f"tensor {self._name!r} is not finite on sample {self._seen}",
                hint="look for broken rows in the capture",
            )
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._grow(max(-low, high))
        bins = np.floor(values.reshape(-1) * np.float32(2.0**-self._exponent)).astype(np.int64) + BINS
        self._counts += np.bincount(np.clip(bins, 0, 2 * BINS - 1), minlength=2 * BINS)
        zeros = int(values.size - np.count_nonzero(values))
        self._counts[BINS] -= zeros
        self._zeros += zeros
        if self._with_mean:
            self._sum = values.astype(np.float64) if self._sum is None else self._sum + values
        self._seen += 1

    def statistics(self) -> Statistics:
        """Return what was seen so far, at least one sample."""
        if not self._seen:
            raise ValueError(f"nothing was seen of tensor {self._name!r}")
        mean = None if self._sum is None else self._sum / self._seen
        return Statistics(self._low, self._high, self._counts, 2.0**self._exponent, self._zeros, mean)

    def _grow(self, greatest: float) -> None:
        """Widen the bins until `greatest` lies inside."""
        if greatest <= 0:
            return
        needed = math.frexp(greatest / BINS)[1]  # greatest < BINS * 2^needed
        needed = min(max(needed, _LEAST_EXPONENT), _GREATEST_EXPONENT)
        if not self._counts.any():
            self._exponent = max(self._exponent, needed)
        while self._exponent < needed:
            half = self._counts.reshape(BINS, 2).sum(axis=1)
            self._counts = np.zeros(2 * BINS, np.int64)
            self._counts[BINS // 2 : BINS // 2 + BINS] = half
            self._exponent += 1
