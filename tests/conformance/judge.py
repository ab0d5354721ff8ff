"""Is what an engine computed what the reference computed? One line of words for each output that is not."""

from __future__ import annotations

import numpy as np

from tests.conformance.models import Generated, Use
from tests.real.oracle import Arrays, Oracle

#: Of the distance between the oracle's own back-ends: what a float result may differ, where that is larger.
BACK_ENDS = 2.0


def mistakes(generated: Generated, ours: list[Arrays], theirs: list[Arrays], rivals: list[Arrays] | None) -> list[str]:
    """Return what is wrong with the outputs of all calls.

    Args:
        rivals: what another back-end of the oracle computed; float results may be twice as far from the reference.
    """
    found = []
    for use in generated.uses:
        for index in range(use.outputs.start, use.outputs.stop):
            columns = [[call[index] for call in answers] for answers in (ours, theirs, rivals or theirs)]
            words = _mistake(use, *columns)
            if words:
                found.append(f"{use.case}: output {index - use.outputs.start}: {words}")
    return found


def judge(oracle: Oracle, generated: Generated, calls: list[Arrays], ours: list[Arrays]) -> list[str]:
    """Return what is wrong with our outputs of `calls`; asks the oracle's faster kernels only when there is doubt.

    Raises:
        OracleError: the oracle has no answer.
    """
    theirs = oracle.run(generated.data, calls)
    found = mistakes(generated, ours, theirs, None)
    if found and any(array.dtype.kind == "f" for array in theirs[0]):
        return mistakes(generated, ours, theirs, oracle.run(generated.data, calls, "AUTO"))
    return found


def _mistake(use: Use, ours: Arrays, theirs: Arrays, rivals: Arrays) -> str:
    for mine, truth in zip(ours, theirs, strict=True):
        if mine.dtype != truth.dtype or mine.shape != truth.shape:
            return f"{mine.dtype}{list(mine.shape)}, expected {truth.dtype}{list(truth.shape)}"
    mine, truth, rival = (np.stack(column) for column in (ours, theirs, rivals))
    if np.array_equal(mine, truth, equal_nan=truth.dtype.kind == "f"):
        return ""
    if truth.dtype.kind != "f":
        wrong = int((mine != truth).sum())
        worst = int(np.abs(mine.astype(np.int64) - truth.astype(np.int64)).max())
        return f"{wrong} of {truth.size} values differ, by up to {worst}"
    allowed = max(use.row.tolerance * span(truth), BACK_ENDS * distance(rival, truth))
    error = distance(mine, truth)
    return "" if error <= allowed else f"error {error:.3g}, allowed {allowed:.3g} on values that span {span(truth):.3g}"


def span(values: np.ndarray) -> float:
    """Return the range of the finite values, zero included: what a difference is measured against."""
    finite = values[np.isfinite(values)]
    return float(finite.max(initial=0) - finite.min(initial=0))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference; equal infinities and NaN against NaN are none, other such pairs are infinite."""
    with np.errstate(invalid="ignore"):
        gaps = np.abs(a.astype(np.float64) - b.astype(np.float64))
    gaps[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    return float(np.nan_to_num(gaps, nan=np.inf, posinf=np.inf).max(initial=0))
