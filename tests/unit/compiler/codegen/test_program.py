from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.compiler.codegen.program import BLOCK_BYTES, MAX_SEGMENT_BYTES, cut_segments, encode_manifest


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3 * BLOCK_BYTES)), max_size=8), st.integers(0, 1 << 31))
def test_segments_rebuild_the_image(runs: list[tuple[bool, int]], offset: int) -> None:
    image = b"".join((b"\x05" if full else b"\0") * count for full, count in runs)
    memory = bytearray(len(image))
    for at, contents in cut_segments(image, offset):
        memory[at - offset : at - offset + len(contents)] = contents
    assert bytes(memory) == image


def test_zeros_are_left_out() -> None:
    image = b"\1" + bytes(100 * BLOCK_BYTES) + b"\2" + bytes(10)
    segments = cut_segments(image, 0)
    assert sum(len(contents) for _, contents in segments) < 2 * BLOCK_BYTES
    assert cut_segments(bytes(5000), 0) == []


def test_long_contents_are_cut() -> None:
    segments = cut_segments(b"\1" * (3 * MAX_SEGMENT_BYTES + 5), 64)
    assert max(len(contents) for _, contents in segments) <= MAX_SEGMENT_BYTES
    assert sum(len(contents) for _, contents in segments) == 3 * MAX_SEGMENT_BYTES + 5


def test_the_manifest_is_compact_and_keeps_names_readable() -> None:
    assert encode_manifest({"name": "Grün", "abi": 1}) == '{"name":"Grün","abi":1}'.encode()
