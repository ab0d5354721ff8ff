from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_sdk.config import Where
from edge_sdk.errors import ConfigError
from edge_sdk.sensors.crc import CHECKSUMS
from edge_sdk.sensors.frame_parser import FrameOptions, FrameParser, layout_of

WHERE = Where(Path("p.toml"), "sources.a.frame")
SYNCED = FrameOptions(format="<hh", sync="a55a")
CHECKED = FrameOptions(format="<Bhh", sync="a5", crc="crc16-ccitt", seq=0)
UNSYNCED = FrameOptions(format=">ih", crc="crc8")


def parser_of(options: FrameOptions, channels: int = 2) -> FrameParser:
    return FrameParser(layout_of(options, WHERE), channels)


def wire(options: FrameOptions, *rows: tuple[float, ...]) -> bytes:
    """Encode frames independently of the parser."""
    sync, found = bytes.fromhex(options.sync), b""
    for row in rows:
        payload = struct.pack(options.format, *row)
        found += sync + payload
        if options.crc != "none":
            checksum = CHECKSUMS[options.crc]
            covered = sync + payload if options.crc_covers_sync else payload
            order = "big" if checksum.big_endian else "little"
            found += checksum.of(covered).to_bytes(checksum.size_bytes, order)
    return found


def collect(parser: FrameParser, pieces: list[bytes]) -> tuple[list[list[float]], list[int]]:
    """Return all rows, and the indices of the rows before which something is missing."""
    rows: list[list[float]] = []
    gaps: list[int] = []
    for piece in pieces:
        for run in parser.feed(piece):
            if run.gap:
                gaps.append(len(rows))
            rows += run.samples.tolist()
    return rows, gaps


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("options", [SYNCED, UNSYNCED], ids=["sync", "crc only"])
def test_frames_become_rows(options: FrameOptions) -> None:
    rows = [(1, 2), (-3, 4), (5, -6)]
    parser = parser_of(options)
    found, gaps = collect(parser, [wire(options, *rows), wire(options, (0, 0), (0, 0))])
    assert found[:3] == [list(row) for row in rows]
    assert gaps == []
    assert parser.counts["dropped_bytes"] == 0


def test_the_bytes_on_the_wire_are_what_a_device_would_send() -> None:
    parser = parser_of(CHECKED)
    assert wire(CHECKED, (7, 1, -2)) == bytes.fromhex("a5 07 0100 feff") + CHECKSUMS["crc16-ccitt"].of(
        bytes.fromhex("07 0100 feff")
    ).to_bytes(2, "big")
    assert collect(parser, [wire(CHECKED, (7, 1, -2))])[0] == [[1, -2]]


streams = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.tuples(st.integers(-32768, 32767), st.integers(-32768, 32767))),
        st.tuples(st.just("garbage"), st.binary(max_size=12)),
        st.tuples(st.just("sync"), st.just(bytes.fromhex("a55aa5"))),
    ),
    max_size=30,
)


def render(options: FrameOptions, stream: list[tuple[str, object]]) -> bytes:
    data, seq = b"", 0
    for kind, value in stream:
        if kind == "frame":
            assert isinstance(value, tuple)
            row = (seq % 256, *value) if options.seq == 0 else value
            data += wire(options, row)
            seq += 1
        else:
            assert isinstance(value, bytes)
            data += value
    return data


@pytest.mark.parametrize("options", [SYNCED, CHECKED, UNSYNCED], ids=["sync", "sync, crc, seq", "crc only"])
@given(stream=streams, cuts=st.lists(st.integers(0, 10_000), max_size=12))
@settings(max_examples=150)
def test_how_the_bytes_are_split_changes_nothing(
    options: FrameOptions, stream: list[tuple[str, object]], cuts: list[int]
) -> None:
    data = render(options, stream)
    whole, pieces, bytewise = parser_of(options), parser_of(options), parser_of(options)
    expected = collect(whole, [data])
    assert collect(pieces, split(data, cuts)) == expected
    assert collect(bytewise, [data[index : index + 1] for index in range(len(data))]) == expected
    assert whole.counts == pieces.counts == bytewise.counts


@pytest.mark.parametrize("options", [SYNCED, CHECKED, UNSYNCED], ids=["sync", "sync, crc, seq", "crc only"])
@given(data=st.binary(max_size=400))
@settings(max_examples=150)
def test_any_bytes_are_survived_and_every_byte_is_accounted_for(options: FrameOptions, data: bytes) -> None:
    parser = parser_of(options)
    for run in parser.feed(data):
        assert np.isfinite(run.samples).all()
    kept = len(parser._buffer)
    size = layout_of(options, WHERE).size_bytes
    assert parser.counts["frames"] * size + parser.counts["dropped_bytes"] + kept == len(data)
    assert kept < size + 2


@given(garbage=st.binary(max_size=200))
@example(garbage=b"")
@example(garbage=b"\xa5" * 50)
def test_after_garbage_checked_frames_are_found_again(garbage: bytes) -> None:
    rows = [(index, index, -index) for index in range(5)]
    parser = parser_of(CHECKED)
    found, gaps = collect(parser, [wire(CHECKED, *rows), garbage, wire(CHECKED, *[(5 + i, i, i) for i in range(5)])])
    assert found[:5] == [[index, -index] for index in range(5)]
    assert found[-5:] == [[index, index] for index in range(5)]
    if garbage and len(found) == 10:
        assert gaps == [5]
        assert parser.counts["dropped_bytes"] == len(garbage)


def test_a_bad_checksum_is_counted_and_leaves_a_gap() -> None:
    data = bytearray(wire(CHECKED, (0, 1, 1), (1, 2, 2), (2, 3, 3)))
    data[8 + 3] ^= 0x40
    parser = parser_of(CHECKED)
    assert collect(parser, [bytes(data)]) == ([[1, 1], [3, 3]], [1])
    assert parser.counts == {"frames": 2, "dropped_bytes": 8, "bad_crc": 1, "lost_frames": 1, "bad_values": 0}


def test_the_counter_finds_frames_that_never_came_even_across_its_wrap() -> None:
    parser = parser_of(CHECKED)
    assert collect(parser, [wire(CHECKED, (254, 0, 0), (255, 1, 1), (0, 2, 2), (3, 3, 3))])[1] == [3]
    assert parser.counts["lost_frames"] == 2


def test_without_a_checksum_a_sync_inside_the_data_does_not_win() -> None:
    sample = struct.unpack("<h", bytes.fromhex("a55a"))[0]
    data = wire(SYNCED, *[(sample, index) for index in range(20)])
    found, _ = collect(parser_of(SYNCED), [data[4:]])
    assert found == [[sample, index] for index in range(1, 20)][: len(found)]
    assert len(found) >= 18


def test_one_frame_may_carry_many_samples() -> None:
    options = FrameOptions(format="<H6h", sync="a5", seq=0)
    parser = parser_of(options)
    found, gaps = collect(parser, [wire(options, (0, 1, 2, 3, 4, 5, 6), (2, 7, 8, 9, 10, 11, 12)) + b"\xa5"])
    assert found == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]]
    assert gaps == [3]


def test_nan_and_infinity_are_left_out_with_a_gap() -> None:
    options = FrameOptions(format="<ff", sync="a5", crc="crc8")
    parser = parser_of(options)
    frames = wire(options, (1, 1), (float("nan"), 1), (1, float("inf")), (2, 2))
    assert collect(parser, [frames, wire(options, (float("nan"), 0)), wire(options, (3, 3))]) == (
        [[1, 1], [2, 2], [3, 3]],
        [1, 2],
    )
    assert parser.counts["bad_values"] == 3


def test_mixed_types_and_padding_follow_the_struct_module() -> None:
    options = FrameOptions(format=">bxHlq2xfd", sync="a5", crc="crc16-modbus", crc_covers_sync=True)
    row = (-5, 65535, -70000, 1 << 40, 0.5, -2.25)
    assert collect(parser_of(options, 6), [wire(options, row)])[0] == [list(row)]


def test_restart_forgets_half_a_frame_and_marks_a_gap() -> None:
    parser = parser_of(CHECKED)
    data = wire(CHECKED, (0, 1, 1), (9, 2, 2))
    assert collect(parser, [data[:11]])[0] == [[1, 1]]
    parser.restart()
    assert collect(parser, [data[8:]]) == ([[2, 2]], [0])
    assert parser.counts["lost_frames"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FrameOptions(format="hh", sync="a5"), "frame.format: expected a struct format: < or >"),
        (FrameOptions(format="<4s", sync="a5"), "frame.format: expected a struct format"),
        (FrameOptions(format="<99999d", sync="a5"), "frame.format: expected at most 16384 bytes"),
        (FrameOptions(format="<xx", sync="a5"), "frame.format: expected at least one number"),
        (FrameOptions(format="<h", sync="a"), "frame.sync: expected hexadecimal bytes"),
        (FrameOptions(format="<h", sync="zz"), "frame.sync: expected hexadecimal bytes"),
        (FrameOptions(format="<h", sync="00" * 17), "frame.sync: expected at most 16 bytes"),
        (
            FrameOptions(format="<h", sync="a5", crc="crc16-ccit"),
            "unknown checksum 'crc16-ccit'; did you mean 'crc16-ccitt'",
        ),
        (FrameOptions(format="<h"), "expected sync or crc (or both)"),
        (FrameOptions(format="<hB", sync="a5", seq=2), "frame.seq: expected a field index below 2, got 2"),
        (FrameOptions(format="<hf", sync="a5", seq=1), "frame.seq: expected an integer field"),
    ],
)
def test_a_layout_that_cannot_be_meant_is_refused(options: FrameOptions, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        layout_of(options, WHERE)
    assert message in caught.value.message
    assert caught.value.message.startswith("p.toml: sources.a.frame")
