from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert
from edge_sdk.compiler.importers.tflite.flatbuffer import MAX_STRING_BYTES, FlatBuffer
from edge_sdk.errors import ModelError
from tests.unit.compiler.tflite_writer import Table, small_int8_model, write_flatbuffer

IDENTIFIER = b"TEST"


def root(fields: dict[int, object]) -> Callable[[], object]:
    data = write_flatbuffer(Table(fields), IDENTIFIER)
    return lambda: FlatBuffer(data, "f").root(IDENTIFIER)


def read(fields: dict[int, object]):
    return FlatBuffer(write_flatbuffer(Table(fields), IDENTIFIER), "f").root(IDENTIFIER)


def test_fields_of_every_kind_come_back() -> None:
    inner = Table({0: ("i", -5)})
    table = read({0: ("b", -3), 2: ("Q", 1 << 40), 3: "näme", 4: inner, 5: [inner, inner], 6: np.array([1, -2], "<i4")})
    assert table.number(0, "b", 0) == -3
    assert table.number(2, "Q", 0) == 1 << 40
    assert table.string(3) == "näme"
    assert table.table(4).number(0, "i", 0) == -5
    assert [entry.number(0, "i", 0) for entry in table.tables(5, 2)] == [-5, -5]
    assert table.integers(6, 2) == [1, -2]


def test_absent_fields_have_their_defaults() -> None:
    table = read({3: ("i", 1)})
    assert table.number(0, "i", 7) == 7
    assert table.number(40, "i", 8) == 8
    assert table.string(1) == ""
    assert table.table(1) is None
    assert table.tables(1, 9) == []
    assert table.numbers(1, "float32") is None
    assert table.integers(1, 9) == []


def test_long_names_are_cut_off() -> None:
    assert len(read({0: "x" * 5000}).string(0)) == MAX_STRING_BYTES


def test_another_identifier_is_refused() -> None:
    with pytest.raises(ModelError, match="identifier"):
        FlatBuffer(write_flatbuffer(Table(), IDENTIFIER), "f").root(b"TFL3")


def test_lists_longer_than_allowed_are_refused() -> None:
    table = read({0: [Table()] * 5, 1: np.zeros(5, "<i4")})
    with pytest.raises(ModelError, match="5 tables, at most 4"):
        table.tables(0, 4)
    with pytest.raises(ModelError, match="5 integers, at most 4"):
        table.integers(1, 4)


def test_a_vector_that_claims_4_gib_is_refused_without_reading_it() -> None:
    data = bytearray(write_flatbuffer(Table({0: np.zeros(2, "<i4")}), IDENTIFIER))
    at = data.rindex(struct.pack("<I", 2))
    data[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(ModelError, match="vector of 4294967295"):
        FlatBuffer(bytes(data), "f").root(IDENTIFIER).numbers(0, "int32")


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\0" * 8, b"\4\0\0\0TEST", b"\xff\xff\xff\xffTEST", b"\x08\0\0\0TEST\x08"]
)
def test_files_shorter_than_a_table_are_damaged(data: bytes) -> None:
    with pytest.raises(ModelError):
        FlatBuffer(data, "f").root(IDENTIFIER)


def converts_or_is_refused(data: bytes) -> bool:
    """Anything but a clean answer, in good time, fails the test."""
    start = time.process_time()
    try:
        convert(data, name="fuzzed")
        accepted = True
    except ModelError:
        accepted = False
    assert time.process_time() - start < 5
    return accepted


def test_every_truncation_of_a_model_is_refused_cleanly() -> None:
    data = small_int8_model()
    for length in range(0, len(data) - 1, 3):
        converts_or_is_refused(data[:length])
    assert not any(converts_or_is_refused(data[:length]) for length in range(0, len(data) // 2, 61))


def test_bit_flips_never_give_another_error_than_ours() -> None:
    data = small_int8_model()
    rng = random.Random(20)
    outcomes = set()
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        outcomes.add(converts_or_is_refused(bytes(damaged)))
    assert outcomes == {True, False}


def test_words_of_extreme_values_never_give_another_error_than_ours() -> None:
    data = small_int8_model()
    rng = random.Random(21)
    extremes = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7F800000, 0x7FC00000, 0x00010000)
    for at in range(0, len(data) - 4, 4):
        damaged = bytearray(data)
        struct.pack_into("<I", damaged, at, rng.choice(extremes))
        converts_or_is_refused(bytes(damaged))
