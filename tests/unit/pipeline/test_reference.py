"""The page people read says what the code accepts."""

from __future__ import annotations

from edge_sdk.pipeline.reference import reference
from tests.support import REPOSITORY


def test_the_page_holds_the_reference_as_the_code_makes_it() -> None:
    page = (REPOSITORY / "docs/pipelines.md").read_text()
    _, _, printed = page.partition("<!-- reference:")
    assert printed.partition("-->\n")[2] == reference()


def test_every_key_has_a_meaning() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert rows
    assert not [row for row in rows if row.endswith("|  |")]
