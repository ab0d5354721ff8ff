"""How good a quantised model is: its outputs against the float model's, and against labels where there are some.

Noise is the energy of the error relative to the energy of the float outputs, told in decibels of signal over noise:
40 dB is an error of 1 %, 20 dB one of 10 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Outputs = list[NDArray[Any]]
#: Sums of soft-max outputs are 1 within this; int8 ones have steps of 1/256.
_SUM_TOLERANCE = 0.02


@dataclass(frozen=True)
class Outcome:
    """One model's figures.

    Attributes:
        signal_to_noise_db: over all outputs; None where nothing differs, 0 where the float outputs are all 0.
        largest_error: of any output element, as a share of the float outputs' range.
        agreement: share of the samples on which the greatest element of the first output is the float model's.
        accuracy: share of the samples on which it is the label's; None without labels.
    """

    signal_to_noise_db: float | None
    largest_error: float
    agreement: float
    accuracy: float | None


def compare(float_outputs: Sequence[Outputs], outputs: Sequence[Outputs], labels: NDArray[np.int64] | None) -> Outcome:
    """Return the figures of a model from its outputs and the float model's, sample by sample."""
    error = signal = largest = 0.0
    low, high = math.inf, -math.inf
    for wanted, found in zip(float_outputs, outputs, strict=True):
        for one, other in zip(wanted, found, strict=True):
            real = one.astype(np.float64)
            difference = np.abs(other - real)
            error, signal = error + float((difference**2).sum()), signal + float((real**2).sum())
            largest = max(largest, float(difference.max()))
            low, high = min(low, float(real.min())), max(high, float(real.max()))
    chosen = np.array([found[0].argmax() for found in outputs])
    agreement = float((chosen == [wanted[0].argmax() for wanted in float_outputs]).mean())
    return Outcome(
        signal_to_noise_db=_decibels(error, signal),
        largest_error=largest / (high - low) if high > low else largest,
        agreement=agreement,
        accuracy=None if labels is None else float((chosen == labels).mean()),
    )


def chooses_a_class(float_outputs: Sequence[Outputs], labels: NDArray[np.int64] | None) -> bool:
    """Return whether a model is judged by its greatest output: there are labels, or outputs that are a distribution."""
    if labels is not None:
        return True
    first = [outputs[0] for outputs in float_outputs]
    return all(
        len(outputs) == 1 and one.size > 1 and one.min() >= 0 and abs(float(one.sum()) - 1) < _SUM_TOLERANCE
        for outputs, one in zip(float_outputs, first, strict=True)
    )


def quality(outcome: Outcome) -> tuple[float, float]:
    """Return a key that sorts outcomes, the worst first."""
    db = outcome.signal_to_noise_db
    return outcome.agreement, math.inf if db is None else db


def _decibels(error: float, signal: float) -> float | None:
    if error == 0:
        return None
    return 0.0 if signal == 0 else 10 * math.log10(signal / error)
