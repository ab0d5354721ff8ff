from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.sensors.text_parser import MAX_LINE_BYTES, TextOptions, TextParser


def collect(parser: TextParser, pieces: list[bytes]) -> tuple[list[list[float]], list[int]]:
    rows: list[list[float]] = []
    gaps: list[int] = []
    for piece in pieces:
        for run in parser.feed(piece):
            if run.gap:
                gaps.append(len(rows))
            rows += run.samples.tolist()
    return rows, gaps


def test_the_first_line_is_thrown_away_because_it_may_be_half() -> None:
    assert collect(TextParser(TextOptions(), 2), [b"2,3\n", b"4,5\r\n6", b",7e1\n"]) == ([[4, 5], [6, 70]], [])


@pytest.mark.parametrize("line", [b"1,x", b"1", b"1,2,3", b"nan,1", b"1,inf", b"\xff,1", b"1,2" + b" " * 5000])
def test_a_bad_line_is_counted_and_leaves_a_gap(line: bytes) -> None:
    parser = TextParser(TextOptions(), 2)
    assert collect(parser, [b"\n1,1\n" + line + b"\n2,2\n"]) == ([[1, 1], [2, 2]], [1])
    assert parser.counts["bad_lines"] == 1
    assert parser.counts["lines"] == 2


def test_columns_are_chosen_by_number() -> None:
    parser = TextParser(TextOptions(delimiter=";", columns=(2, 0)), 2)
    assert collect(parser, [b"\n1;ignored;3\n"]) == ([[3, 1]], [])


def test_a_line_without_end_does_not_grow() -> None:
    parser = TextParser(TextOptions(), 1)
    parser.feed(b"\n")
    for _ in range(100):
        parser.feed(b"1" * 1000)
        assert len(parser._buffer) <= MAX_LINE_BYTES
    assert collect(parser, [b"111\n5\n"]) == ([[5]], [0])
    assert parser.counts["bad_lines"] == 1


@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=200)
def test_any_bytes_are_survived_and_splits_change_nothing(data: bytes, cuts: list[int]) -> None:
    data = b"\n" + data.replace(b"\x00", b"1,2\n")
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    assert collect(TextParser(TextOptions(), 2), pieces) == collect(TextParser(TextOptions(), 2), [data])
