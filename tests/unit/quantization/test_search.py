from __future__ import annotations

import pytest

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.quantize.rewrite import Rewriting
from edge_sdk.quantization.outcome import Outcome
from edge_sdk.quantization.search import Trial, meets_target, widen

NODES = [Node("relu", f"n{index}", [], [Value(f"v{index}", "float32", (1,))]) for index in range(12)]


def trial(keep: frozenset[Node], agreement: float) -> Trial:
    return Trial(keep, Rewriting(Graph("g", [], []), set(), {}), Outcome(20.0, 0.1, agreement, None))


def search(needed: int) -> tuple[Trial, list[int]]:
    """Search where `needed` of the costliest tensors must be left alone."""
    tried = []

    def attempt(keep: frozenset[Node]) -> Trial:
        tried.append(len(keep))
        return trial(keep, 1.0 if len(keep) >= needed else 0.5 + len(keep) / 100)

    ranked = [frozenset([node]) for node in NODES]
    found, count = widen(trial(frozenset(), 0.5), ranked, attempt, lambda outcome: outcome.agreement == 1)
    assert count == len(tried)
    return found, tried


def test_sets_grow_until_one_is_good():
    found, tried = search(needed=3)
    assert tried == [1, 2, 3]
    assert found.keep_float == frozenset(NODES[:3])


def test_when_none_is_good_the_best_is_taken_and_half_the_tensors_stay_int8():
    found, tried = search(needed=99)
    assert tried[-1] == 6
    assert found.keep_float == frozenset(NODES[:6])


@pytest.mark.parametrize(
    ("outcome", "classes", "good"),
    [
        (Outcome(10.0, 0.5, 0.985, None), True, True),
        (Outcome(50.0, 0.5, 0.9, None), True, False),
        (Outcome(30.0, 0.5, 0.0, None), False, True),
        (Outcome(10.0, 0.5, 1.0, None), False, False),
        (Outcome(None, 0.0, 1.0, None), False, True),
    ],
)
def test_a_classifier_is_judged_by_its_classes_and_all_else_by_noise(outcome: Outcome, classes: bool, good: bool):
    assert meets_target(outcome, classes) == good
