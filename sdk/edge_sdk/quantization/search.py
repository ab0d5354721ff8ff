"""Which nodes stay in float: those around the tensors whose rounding disturbs the model's outputs most.

Often these are the first few tensors of a model, where flat parts of an input are rounded all in the same direction. A
growing number of them is tried, each set as a whole, until the target is met.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.quantize.rewrite import Rewriting
from edge_sdk.quantization.outcome import Outcome, quality

#: What `--keep-float auto` goes for: share of equal classes, or signal over noise where a model chooses none.
TARGET_AGREEMENT = 0.985
TARGET_DB = 26.0
#: Tensors in float grow by this factor from trial to trial, at least by one.
_GROWTH = 1.4


@dataclass(frozen=True)
class Trial:
    """One set of float nodes: what became of the model, and how good it is."""

    keep_float: frozenset[Node]
    rewriting: Rewriting
    outcome: Outcome


def meets_target(outcome: Outcome, chooses_a_class: bool) -> bool:
    """Return whether a model is good enough to stop."""
    if chooses_a_class:
        return outcome.agreement >= TARGET_AGREEMENT
    return outcome.signal_to_noise_db is None or outcome.signal_to_noise_db >= TARGET_DB


def widen(
    first: Trial,
    ranked: Sequence[frozenset[Node]],
    attempt: Callable[[frozenset[Node]], Trial],
    good: Callable[[Outcome], bool],
) -> tuple[Trial, int]:
    """Return (the first good trial, or the best one; how many were made after the first).

    Args:
        ranked: sets of nodes that leave one tensor alone, the costliest tensor first. At most half of them are taken.
    """
    trials, count, most = [first], 0, len(ranked) // 2
    while not good(trials[-1].outcome) and count < most:
        count = min(most, max(count + 1, int(count * _GROWTH)))
        trials.append(attempt(first.keep_float.union(*ranked[:count])))
    if good(trials[-1].outcome):
        return trials[-1], len(trials) - 1
    return max(trials, key=lambda trial: quality(trial.outcome)), len(trials) - 1
