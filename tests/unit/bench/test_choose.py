from __future__ import annotations

from dataclasses import replace

import pytest

from edge_sdk.bench.choose import WORTH_IT, candidates, choose
from edge_sdk.errors import UsageError
from tests.unit.cli.test_bench import REPORT, ROW


def test_the_usual_engine_stays_unless_another_is_worth_it() -> None:
    slower = replace(ROW, engine="host:avx2", isa="avx2", median_us=ROW.median_us * (WORTH_IT + 0.01))
    faster = replace(slower, median_us=ROW.median_us * (WORTH_IT - 0.01))
    best = replace(ROW, engine="host:avx512vnni", isa="avx512vnni")
    assert choose(replace(REPORT, engines=(best, slower))).isa == "avx512vnni"
    choice = choose(replace(REPORT, engines=(best, faster)))
    assert (choice.engine, choice.isa) == ("host", "avx2")
    assert "host:avx512vnni 48 us" in choice.reason


def test_one_engine_is_no_choice() -> None:
    with pytest.raises(UsageError, match="the only engine here"):
        choose(replace(REPORT, engines=(ROW,)))


def test_the_sandbox_is_the_last_candidate() -> None:
    assert candidates()[-1] == "sandbox"
