from __future__ import annotations

from msgspec.structs import fields

from edge_sdk.board import schema
from edge_sdk.board.reference import docstrings, reference
from edge_sdk.board.schema import Board, Family
from tests.support import REPOSITORY

BEGIN, END = "<!-- keys: begin -->\n", "<!-- keys: end -->"
TABLES = ("Board", "Cpu", "EngineChoice", "Family", "FlashTransport", "Memory", "Port", "Ports", "Power", "Rule")


def test_the_page_lists_the_keys_of_the_schema() -> None:
    page = (REPOSITORY / "docs/boards.md").read_text()
    written = page.partition(BEGIN)[2].partition(END)[0]
    assert written == reference(), "run: python -m edge_sdk.board.reference, and paste it between the marks"


def test_every_key_has_a_meaning() -> None:
    for name in (*TABLES, "WasmLimits"):
        kind = getattr(schema, name)
        assert docstrings(kind).keys() == {field.name for field in fields(kind)}, name


def test_a_board_and_a_family_know_the_same_keys_in_the_same_words() -> None:
    board, family = docstrings(Board), docstrings(Family)
    assert board.keys() == family.keys()
    same = board.keys() - {"extends", "family", "generic", "detect"}
    assert {key: board[key] for key in same} == {key: family[key] for key in same}
