"""Raw samples cut where something is missing: what both parsers of the serial line answer with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Raw = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """Samples that follow each other; `gap`: something is missing just before the first."""

    samples: Raw
    gap: bool


def cut(samples: Raw, breaks: NDArray[np.bool_]) -> list[Run]:
    """Return the samples as runs; a new run begins at each row that `breaks` marks."""
    if len(samples) == 0:
        return []
    starts = sorted({0, *np.flatnonzero(breaks).tolist()})
    ends = [*starts[1:], len(samples)]
    return [Run(samples[start:end], bool(breaks[start])) for start, end in zip(starts, ends, strict=True)]
