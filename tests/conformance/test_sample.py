"""A small seeded sample of `make conformance`, for every change; the campaign has other seeds and more of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conformance import floats_suite
from tests.conformance.case import CLOSE
from tests.conformance.cases import CASES
from tests.conformance.cases.recurrent import HYBRID, STEP
from tests.conformance.engines import compiling_here
from tests.conformance.generated_suite import Trial, plan_trials, try_all
from tests.real.oracle import Oracle

SEED = 20261201
ROWS = sum(len(row.dtypes) for row in CASES.values())


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    pytest.importorskip("ai_edge_litert", reason="the oracle is not installed: pip install 'edge-sdk[test]'")
    with Oracle() as running, compiling_here():
        yield running


def test_every_operator_is_right_on_both_engines(oracle: Oracle) -> None:
    trials = plan_trials(SEED, 2 * ROWS)
    tallies = try_all(oracle, trials)
    assert sum(tally.tried for tally in tallies.values()) == len(trials) == 2 * ROWS
    assert [line for tally in tallies.values() for line in tally.words] == []


def test_states_rounded_to_8_bits_seldom_fall_to_the_other_side(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [case for case, row in CASES.items() if row.tolerance == STEP]
    for case in rows:
        monkeypatch.setitem(CASES, case, replace(CASES[case], tolerance=CLOSE))
    tallies = try_all(oracle, [Trial(case, *HYBRID, SEED + number) for case in rows for number in range(12)])
    tried = sum(tally.tried for tally in tallies.values())
    far = sum(tally.wrong["host"] for tally in tallies.values())
    assert tried == 72
    assert far <= tried // 10, [line for tally in tallies.values() for line in tally.words]


def test_integers_are_computed_with_integers_but_for_the_operators_that_say_why() -> None:
    with compiling_here():
        tried, found = floats_suite.try_generated(SEED, 6)
    assert floats_suite.FLOAT_OPS.keys() <= tried
    assert "fully_connected" in found
    assert found - floats_suite.FLOAT_OPS.keys() == set()
