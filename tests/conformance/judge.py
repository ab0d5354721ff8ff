"""Is what an engine computed what the reference computed? One line of words for each output that is not."""

from __future__ import annotations

import numpy as np

from tests.conformance.models import Generated, Use
from tests.real.oracle import Arrays, Oracle

#: Of the distance between the oracle's own back-ends: what a float result may differ, where that is larger.
BACK_ENDS = 2.0
#: Of sum(abs(x * w)), or of the range where nothing is summed: what the floats of two engines of ours may differ.
ENGINES_APART = 1e-6


class Truth:
    """What the oracle says about one model and one sequence of calls.

    truth = Truth(oracle, generated, calls)
    truth.mistakes(ours)                     # [] when all is right
    """

    def __init__(self, oracle: Oracle, generated: Generated, calls: list[Arrays]) -> None:
        self._oracle, self._generated, self._calls = oracle, generated, calls
        self._theirs = oracle.run(generated.data, calls, generated.kernels)
        self._rivals: list[Arrays] | None = None

    def mistakes(self, ours: list[Arrays]) -> list[str]:
        """Return what is wrong with our outputs; asks the oracle's faster kernels only when a float is in doubt.

        Raises:
            OracleError: the oracle has no answer.
        """
        found = mistakes(self._generated.uses, ours, self._theirs, self._rivals)
        if found and self._rivals is None and any(array.dtype.kind == "f" for array in self._theirs[0]):
            self._rivals = self._oracle.run(self._generated.data, self._calls, "AUTO")
            return mistakes(self._generated.uses, ours, self._theirs, self._rivals)
        return found


def mistakes(uses: list[Use], ours: list[Arrays], theirs: list[Arrays], rivals: list[Arrays] | None) -> list[str]:
    """Return what is wrong with the outputs of all calls.

    Args:
        rivals: what another back-end of the oracle computed; float results may be twice as far from the reference.
    """
    found = []
    for use in uses:
        sides = [[use.row.defined(call[use.outputs]) for call in each] for each in (ours, theirs, rivals or theirs)]
        for index in range(use.outputs.stop - use.outputs.start):
            mine, truth, rival = (np.stack([call[index] for call in each]) for each in sides)
            allowed = 0.0
            if truth.dtype.kind == "f":
                allowed = max(use.row.tolerance * span(truth), BACK_ENDS * distance(rival, truth))
            words = mistake(mine, truth, allowed)
            if words:
                found.append(f"{use.case}: output {index}: {words}")
    return found


def apart(uses: list[Use], first: list[Arrays], second: list[Arrays], sums: list[Arrays] | None) -> list[str]:
    """Return where two engines of ours differ by more than they may.

    Args:
        sums: sum(abs(x * w)) of each output, for the uses that are sums of products.
    """
    found = []
    for use in uses:
        for index in range(use.outputs.start, use.outputs.stop):
            a, b = (np.stack([call[index] for call in each]) for each in (first, second))
            allowed: float | np.ndarray = 0.0
            if a.dtype.kind == "f" and use.row.is_sum and sums is not None:
                allowed = ENGINES_APART * np.stack([call[index] for call in sums]).astype(np.float64)
            elif a.dtype.kind == "f" and use.row.tolerance:
                allowed = ENGINES_APART * span(a)
            words = mistake(b, a, allowed)
            if words:
                found.append(f"{use.case}: output {index - use.outputs.start}: {words}")
    return found


def mistake(mine: np.ndarray, truth: np.ndarray, allowed: float | np.ndarray) -> str:
    """Return what is wrong with one output, or ""; integers have to be equal to the bit."""
    if mine.dtype != truth.dtype or mine.shape != truth.shape:
        return f"{mine.dtype}{list(mine.shape)}, expected {truth.dtype}{list(truth.shape)}"
    if np.array_equal(mine, truth, equal_nan=truth.dtype.kind == "f"):
        return ""
    if truth.dtype.kind != "f":
        wrong = int((mine != truth).sum())
        worst = int(np.abs(mine.astype(np.int64) - truth.astype(np.int64)).max())
        return f"{wrong} of {truth.size} values differ, by up to {worst}"
    error = gaps(mine, truth)
    if (error <= allowed).all():
        return ""
    where = int(np.argmax(error - allowed))
    limit = float(np.broadcast_to(allowed, error.shape).flat[where])
    return f"error {float(error.flat[where]):.3g}, allowed {limit:.3g} on values that span {span(truth):.3g}"


def span(values: np.ndarray) -> float:
    """Return the range of the finite values, zero included: what a difference is measured against."""
    finite = values[np.isfinite(values)]
    return float(finite.max(initial=0) - finite.min(initial=0))


def gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the differences; equal infinities and NaN against NaN are none, other such pairs are infinite."""
    with np.errstate(invalid="ignore"):
        found: np.ndarray = np.abs(a.astype(np.float64) - b.astype(np.float64))
    found[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    return np.nan_to_num(found, nan=np.inf, posinf=np.inf)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference."""
    return float(gaps(a, b).max(initial=0))
