"""What came out against what was expected, as sentences. Pure: results in, problems out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_sdk.golden.case import MAX_RESULTS, Case, Range
from edge_sdk.golden.rows import Row
from edge_sdk.golden.trial import Outcome

#: Compared in this order, so that the first difference is the most telling one.
_EXACT = ("seq", "gap", "stale", "label", "alarm")


def mismatches(case: Case, outcome: Outcome, golden: Sequence[Row] | None = None) -> list[str]:
    """Return what is not as expected, the most general first.

    Args:
        golden: the recorded results; None when the test has none.
    """
    expect, rows = case.expect, outcome.rows
    problems = [
        *_count("results", expect.results, len(rows)),
        *_count("results with alarm", expect.alarms, sum(row.alarm for row in rows)),
        *_first_alarm(expect.first_alarm_within_s, outcome.first_alarm_s),
    ]
    for label, wanted in sorted(expect.labels.items()):
        problems += _count(f"results labelled {label!r}", wanted, sum(row.label == label for row in rows))
    if golden is not None and (difference := first_difference(golden, rows, expect.tolerance)):
        problems.append(difference)
    return problems


def first_difference(expected: Sequence[Row], got: Sequence[Row], tolerance: float) -> str:
    """Return the first difference of two recordings, step by step; "" for none.

    Steps are told apart because branches of a pipeline have no order among each other.
    """
    for step in dict.fromkeys(row.step for row in (*expected, *got)):
        wanted = [row for row in expected if row.step == step]
        found = [row for row in got if row.step == step]
        for number, (one, other) in enumerate(zip(wanted, found, strict=False)):
            if difference := _difference(one, other, tolerance):
                return f"step {step}, result {number}: {difference}"
        if len(wanted) != len(found):
            return f"step {step}: expected {len(wanted)} results, got {len(found)}"
    return ""


def _difference(expected: Row, got: Row, tolerance: float) -> str:
    for field in _EXACT:
        wanted, found = getattr(expected, field), getattr(got, field)
        if wanted != found:
            return f"{field}: expected {_word(wanted)}, got {_word(found)}"
    if len(expected.values) != len(got.values):
        return f"values: expected {len(expected.values)}, got {len(got.values)}"
    numbers = [("score", expected.score, got.score)]
    pairs = enumerate(zip(expected.values, got.values, strict=True))
    numbers += [(f"values[{index}]", one, other) for index, (one, other) in pairs]
    for field, one, other in numbers:
        if not _near(one, other, tolerance):
            return f"{field}: expected {_word(one)}, got {_word(other)} (tolerance {tolerance:g})"
    return ""


def _near(expected: float | None, got: float | None, tolerance: float) -> bool:
    if expected is None or got is None:
        return expected is got
    return abs(expected - got) <= tolerance * max(1.0, abs(expected))


def _word(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "no number"
    return repr(value)


def _count(what: str, wanted: int | Range | None, found: int) -> Iterator[str]:
    match wanted:
        case int() if found != wanted:
            yield f"expected {wanted} {what}, got {found}"
        case Range(at_least=least, at_most=most) if not least <= found <= most:
            bounds = f"{least} or more" if most == MAX_RESULTS else f"{least} to {most}"
            yield f"expected {bounds} {what}, got {found}"


def _first_alarm(within_s: float | None, found_s: float | None) -> Iterator[str]:
    if within_s is None:
        return
    if found_s is None:
        yield f"expected the first alarm within {within_s:g} s, got none"
    elif found_s > within_s:
        yield f"expected the first alarm within {within_s:g} s, it came at {found_s:.3f} s"
