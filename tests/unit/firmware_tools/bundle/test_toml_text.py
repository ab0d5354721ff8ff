from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.config.toml_file import tomllib
from firmware_tools.bundle.toml_text import toml_text
from tests.support import REPOSITORY

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
SCALAR = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.datetimes(), st.dates(), st.times(),
)  # fmt: skip
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(TEXT, VALUE, max_size=5))
def test_reading_what_was_written_gives_it_again(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(table, "a comment")) == table


@pytest.mark.parametrize("name", ["demo/pipeline.toml", "bearing/cwru.toml"])
def test_the_examples_survive(name: str) -> None:
    table = tomllib.loads((REPOSITORY / "examples" / name).read_text())
    assert tomllib.loads(toml_text(table)) == table
