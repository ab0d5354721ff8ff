from __future__ import annotations

import random
import struct

import pytest

from edge_sdk.compiler.importers.tflite.flexbuffer import MAX_ENTRIES, read_map
from edge_sdk.errors import ModelError
from tests.unit.compiler.tflite_writer import flexbuffer

OPTIONS = {"max_detections": 10, "negative": -3, "nms_iou_threshold": 0.6, "use_regular_nms": True, "name": "SSD"}


def test_a_map_comes_back() -> None:
    assert read_map(flexbuffer(OPTIONS)) == OPTIONS


def test_an_empty_map_is_one() -> None:
    assert read_map(flexbuffer({})) == {}


def narrow(value_type: int, value: bytes) -> bytes:
    """The map {"x": value} with everything four bytes wide and a value stored apart, as converters write it."""
    out = bytearray(value + b"x\0")
    out += bytes(-len(out) % 4)
    key = len(value)
    out += struct.pack("<I", 1)  # keys: count, distances
    out += struct.pack("<I", len(out) - key)
    out += struct.pack("<III", 4, 4, 1)  # distance to the keys, their width, count
    start = len(out)
    out += struct.pack("<I", start) + bytes([value_type << 2 | {1: 0, 2: 1, 4: 2, 8: 3}[len(value)]])
    return bytes(out + struct.pack("<I", len(out) - start)) + bytes([9 << 2 | 2, 4])


@pytest.mark.parametrize(
    ("value_type", "code", "value"), [(6, "<q", -(1 << 40)), (7, "<H", 65000), (8, "<d", 0.1), (8, "<f", 0.5)]
)
def test_numbers_that_are_stored_apart_are_found(value_type: int, code: str, value: float) -> None:
    assert read_map(narrow(value_type, struct.pack(code, value))) == {"x": value}


def test_values_of_other_kinds_are_left_empty() -> None:
    assert read_map(narrow(10, b"\0\0\0\0")) == {"x": None}


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\x05\x04\x01", flexbuffer({})[:-1] + b"\x10", b"\0" * 40])
def test_what_is_no_map_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="custom options"):
        read_map(data)


def test_a_map_of_many_entries_is_refused() -> None:
    with pytest.raises(ModelError, match=f"{MAX_ENTRIES + 1} entries"):
        read_map(flexbuffer({f"key{index}": index for index in range(MAX_ENTRIES + 1)}))


def is_refused(data: bytes) -> bool:
    try:
        read_map(data)
    except ModelError:
        return True
    return False


def test_every_truncation_and_many_bit_flips_give_no_other_error_than_ours() -> None:
    data, rng = flexbuffer(OPTIONS), random.Random(5)
    damaged = [data[:length] for length in range(len(data))] + [data[length:] for length in range(len(data))]
    for _ in range(5000):
        flipped = bytearray(data)
        for _ in range(rng.choice((1, 2, 8))):
            flipped[rng.randrange(len(flipped))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
        damaged.append(bytes(flipped))
    outcomes = {is_refused(attempt) for attempt in damaged}
    assert outcomes == {True, False}
