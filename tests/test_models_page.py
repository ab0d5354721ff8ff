"""docs/models.md claims nothing that is not tried; `python -m tests.conformance.operators` writes its table."""

from __future__ import annotations

from tests.conformance.operators import PAGE, operators, rows


def test_every_operator_and_dtype_of_the_page_has_cases() -> None:
    claimed, tried = rows(PAGE.read_text()), operators()
    assert len(claimed) > 20
    assert {
        name: dtypes - tried.get(name, set()) for name, dtypes in claimed.items() if dtypes - tried.get(name, set())
    } == {}
