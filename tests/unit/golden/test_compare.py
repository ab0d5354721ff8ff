from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edge_sdk.golden import Case, Outcome, Row, mismatches
from edge_sdk.golden.case import Expect, Range
from edge_sdk.golden.compare import first_difference

ROW = Row("alarm", 0, "ok", 0.5, False, False, False, (1.0, None, 1000.0))


def case(**expect: Any) -> Case:
    return Case(Path("t.toml"), "t", Path("p.toml"), {}, None, Expect(**expect), None)


def rows(*changes: dict[str, Any]) -> tuple[Row, ...]:
    return tuple(replace(ROW, seq=number, **change) for number, change in enumerate(changes))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seq": 7}, "seq: expected 0, got 7"),
        ({"label": "worn"}, "label: expected 'ok', got 'worn'"),
        ({"alarm": True}, "alarm: expected false, got true"),
        ({"gap": True}, "gap: expected false, got true"),
        ({"stale": True}, "stale: expected false, got true"),
        ({"score": 0.6}, "score: expected 0.5, got 0.6 (tolerance 0.01)"),
        ({"score": None}, "score: expected 0.5, got no number"),
        ({"values": (1.0, 2.0, 1000.0)}, "values[1]: expected no number, got 2.0"),
        ({"values": (1.0, None, 1011.0)}, "values[2]: expected 1000.0, got 1011.0"),
        ({"values": (1.0,)}, "values: expected 3, got 1"),
    ],
)
def test_a_difference_is_named_by_result_field_and_both_values(change: dict[str, Any], words: str) -> None:
    found = first_difference([ROW, ROW], [ROW, replace(ROW, **change)], 0.01)
    assert found.startswith(f"step alarm, result 1: {words}")


def test_the_tolerance_is_of_one_or_of_the_larger_value() -> None:
    near = replace(ROW, score=0.51, values=(1.01, None, 1010.0))
    assert first_difference([ROW], [near], 0.01 + 1e-9) == ""
    assert first_difference([ROW], [near], 0.009) != ""
    assert first_difference([ROW], [ROW], 0.0) == ""


def test_results_that_are_missing_or_too_many_are_counted_per_step() -> None:
    assert first_difference([ROW, ROW], [ROW], 1) == "step alarm: expected 2 results, got 1"
    other = replace(ROW, step="other")
    assert first_difference([ROW], [ROW, other], 1) == "step other: expected 0 results, got 1"


def test_branches_have_no_order_among_each_other() -> None:
    other = replace(ROW, step="other")
    assert first_difference([ROW, other, ROW], [other, ROW, ROW], 0) == ""


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ({"results": 3}, None),
        ({"results": 4}, "expected 4 results, got 3"),
        ({"alarms": 1}, None),
        ({"alarms": 0}, "expected 0 results with alarm, got 1"),
        ({"alarms": Range(at_least=1)}, None),
        ({"alarms": Range(at_least=2)}, "expected 2 or more results with alarm, got 1"),
        ({"alarms": Range(at_most=0)}, "expected 0 to 0 results with alarm, got 1"),
        ({"labels": {"worn": 1, "ok": Range(at_least=2)}}, None),
        ({"labels": {"worm": 1}}, "expected 1 results labelled 'worm', got 0"),
        ({"first_alarm_within_s": 2.0}, None),
        ({"first_alarm_within_s": 1.9}, "expected the first alarm within 1.9 s, it came at 2.000 s"),
    ],
)
def test_counts_and_times_are_judged(expect: dict[str, Any], problem: str | None) -> None:
    outcome = Outcome(rows({}, {}, {"alarm": True, "label": "worn"}), 2.0)
    assert mismatches(case(**expect), outcome) == ([problem] if problem else [])


def test_an_alarm_that_never_comes_is_late() -> None:
    problems = mismatches(case(first_alarm_within_s=5.0), Outcome((ROW,), None))
    assert problems == ["expected the first alarm within 5 s, got none"]
