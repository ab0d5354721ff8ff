from __future__ import annotations

import pytest
import wasmtime

from edge_sdk.errors import ModelError
from edge_sdk.runtime.wasm_binary import FUNC, MAGIC, FunctionType, MemoryType, read_binary
from tests.hostile.guests import custom_section, leb


def binary(wat: str) -> bytes:
    return bytes(wasmtime.wat2wasm(wat))


def section(number: int, payload: bytes) -> bytes:
    return bytes([number]) + leb(len(payload)) + payload


def test_the_sections_that_matter_are_read() -> None:
    found = read_binary(
        binary("""(module (import "m" "f" (func (param i32) (result i32))) (import "m" "g" (global i32))
        (import "m" "t" (table 1 2 funcref)) (memory (export "memory") 3 5)
        (func (export "infer") (result i64) (i64.const 0)) (func $s) (start $s))""")
    )
    assert [(i.module, i.name, i.kind) for i in found.imports] == [("m", "f", 0), ("m", "g", 3), ("m", "t", 1)]
    assert found.memories == [MemoryType(1, 3, 5)]
    assert found.exports["infer"] == (FUNC, 1)
    assert found.function_type(0) == FunctionType(b"\x7f", b"\x7f")
    assert str(found.function_type(1)) == "() -> (i64)"
    assert found.function_type(3) is None
    assert found.has_start


def test_a_module_without_a_start_section_has_none() -> None:
    assert not read_binary(binary("(module)")).has_start


def test_only_our_custom_sections_are_kept() -> None:
    found = read_binary(MAGIC + custom_section("edge.manifest", b"{}") + custom_section("name", b"x"))
    assert found.custom == {"edge.manifest": b"{}"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a Wasm module"),
        (b"\0asm\x02\0\0\0", "not a Wasm module"),
        (b"TFL3", "not a Wasm module"),
        (MAGIC + b"\x01", "bytes expected"),
        (MAGIC + b"\x01\xff\xff\xff\xff\x0f", "bytes expected"),
        (MAGIC + b"\x01\xff\xff\xff\xff\x7f", "does not fit 32 bits"),
        (MAGIC + b"\x01\x80\x80\x80\x80\x80\x00", "does not fit 32 bits"),
        (MAGIC + section(1, leb(90_000)), "90000 items"),
        (MAGIC + section(1, b"\x01\x5f\x00"), "type form 0x5f"),
        (MAGIC + section(1, b"\0") + section(1, b"\0"), "section 1 twice"),
        (MAGIC + section(2, b"\x01\x01m\x01\xff\x00\x00"), "not UTF-8"),
        (MAGIC + section(2, b"\x01\x01m\x01f\x09\x00"), "unknown kind 9"),
        (MAGIC + section(0, b"\x7f"), "bytes expected"),
        (MAGIC + custom_section("edge.manifest", b"") * 2, "twice"),
    ],
)
def test_damage_is_named_with_its_place(data: bytes, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        read_binary(data)


def test_a_count_larger_than_the_file_allocates_nothing() -> None:
    with pytest.raises(ModelError, match="4294967295 items"):
        read_binary(MAGIC + section(3, leb(0xFFFFFFFF)))
