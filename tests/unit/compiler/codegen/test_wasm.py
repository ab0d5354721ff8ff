from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.compiler.codegen import wasm
from edge_sdk.errors import ModelError


@given(st.integers(0, (1 << 32) - 1))
def test_unsigned_numbers_come_back(value: int) -> None:
    assert wasm.Reader(wasm.uleb(value), "m").uleb() == value


def test_leb_matches_the_examples_of_the_standard() -> None:
    assert wasm.uleb(624485) == b"\xe5\x8e\x26"
    assert wasm.sleb(-123456) == b"\xc0\xbb\x78"
    assert wasm.sleb(63) == b"\x3f"
    assert wasm.sleb(64) == b"\xc0\x00"


def test_constants_above_2_gib_are_written_as_negative_numbers() -> None:
    assert wasm.i32_const((1 << 32) - 1) == b"\x41\x7f"
    assert wasm.i32_const(1 << 31) == b"\x41" + wasm.sleb(-(1 << 31))


def test_a_section_longer_than_the_file_is_refused() -> None:
    with pytest.raises(ModelError, match="ends too early"):
        wasm.read_sections(wasm.MAGIC + b"\x01\x05\x00", "m")


def test_an_endless_number_is_refused() -> None:
    with pytest.raises(ModelError, match="number is too long"):
        wasm.Reader(b"\x80" * 8, "m").uleb()


@pytest.mark.parametrize("data", [b"", b"\0asm", b"\0asm\2\0\0\0", b"TFL3" * 4])
def test_other_bytes_are_no_module(data: bytes) -> None:
    with pytest.raises(ModelError):
        wasm.read_sections(data, "m")
