"""The instructions of a Wasm module, and the same module with every float instruction replaced by a trap.

    float_instructions(module)        -> {"f64x2 arithmetic": 4, ...}; {} for code that computes in integers
    with_trapping_floats(kernels)     -> a module that traps as soon as it computes with a float

Arithmetic is what computes with floats, or turns numbers into floats and back. Loading, storing, moving and comparing
are not: a kernel may look whether a field of its descriptor is zero.

`unreachable` fits everywhere: whatever follows it is valid, so no instruction behind it needs to change; `nop` fills
the bytes that are left.

WebAssembly Core Specification 3.0, chapter 5 (binary format), sections 5.4 and 5.5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edge_sdk.compiler.codegen import wasm

WHAT = "module under test"
UNREACHABLE, NOP = 0x00, 0x01


@dataclass(frozen=True)
class Instruction:
    """One instruction at data[start:end]; opcode: the byte, or prefix << 16 | number for the two prefixes."""

    opcode: int
    start: int
    end: int


def instructions(module: bytes) -> Iterator[Instruction]:
    """Yield every instruction of every function of a module."""
    reader = wasm.Reader(module, WHAT, len(wasm.MAGIC))
    while not reader.at_end:
        number, size = reader.byte(), reader.uleb()
        after = reader.position + size
        if number == wasm.CODE:
            for _ in range(reader.uleb()):
                yield from _body(reader, reader.uleb())
        reader.position = after


def float_instructions(module: bytes) -> dict[str, int]:
    """Return group of instructions -> how often one stands in the module."""
    return dict(Counter(name for each in instructions(module) if (name := float_name(each.opcode))))


def with_trapping_floats(module: bytes) -> bytes:
    """Return the module with a trap in the place of each instruction of float arithmetic."""
    out = bytearray(module)
    for each in instructions(module):
        if float_name(each.opcode):
            out[each.start : each.end] = bytes([UNREACHABLE]) + bytes([NOP]) * (each.end - each.start - 1)
    return bytes(out)


def float_name(opcode: int) -> str:
    """Return the name of a group of instructions of float arithmetic, or "" for any other."""
    for first, last, name in _FLOATS:
        if first <= opcode <= last:
            return name
    return ""


_SIMD = 0xFD << 16
_FC = 0xFC << 16
#: First and last opcode of each group, and the group's name.
_FLOATS = (
    (0x8B, 0x98, "f32 arithmetic"),
    (0x99, 0xA6, "f64 arithmetic"),
    (0xA8, 0xAB, "float to i32"),
    (0xAE, 0xB1, "float to i64"),
    (0xB2, 0xBB, "conversion to float"),
    (_FC | 0, _FC | 7, "float to integer"),
    (_SIMD | 0x5E, _SIMD | 0x5F, "f32x4 and f64x2 conversion"),
    (_SIMD | 0x67, _SIMD | 0x6A, "f32x4 rounding"),
    (_SIMD | 0x74, _SIMD | 0x75, "f64x2 rounding"),
    (_SIMD | 0x7A, _SIMD | 0x7A, "f64x2 rounding"),
    (_SIMD | 0x94, _SIMD | 0x94, "f64x2 rounding"),
    (_SIMD | 0xE0, _SIMD | 0xEB, "f32x4 arithmetic"),
    (_SIMD | 0xEC, _SIMD | 0xF7, "f64x2 arithmetic"),
    (_SIMD | 0xF8, _SIMD | 0xFF, "conversion of float lanes"),
    (_SIMD | 0x101, _SIMD | 0x108, "relaxed float arithmetic"),
    (_SIMD | 0x10D, _SIMD | 0x110, "relaxed float arithmetic"),
)


#: Plain instructions with one number behind them: blocks, branches, calls, locals, constants.
_ONE_NUMBER = frozenset((2, 3, 4, 0x0C, 0x0D, 0x10, 0x12, *range(0x20, 0x27), 0x3F, 0x40, 0x41, 0x42, 0xD0, 0xD2))


def _body(reader: wasm.Reader, size: int) -> Iterator[Instruction]:
    after = reader.position + size
    for _ in range(reader.uleb()):  # locals: how many, of which type
        reader.uleb()
        reader.byte()
    while reader.position < after:
        start, opcode = reader.position, reader.byte()
        if opcode in (0xFC, 0xFD):
            number = reader.uleb()
            _skip_prefixed(reader, opcode, number)
            opcode = opcode << 16 | number
        else:
            _skip_plain(reader, opcode)
        yield Instruction(opcode, start, reader.position)


def _skip_plain(reader: wasm.Reader, opcode: int) -> None:
    """Step over the immediates of an instruction of one byte."""
    if (
        opcode in (0x02, 0x03, 0x04, 0x0C, 0x0D, 0x10, 0x12, 0x3F, 0x40, 0x41, 0x42, 0xD0, 0xD2)
        or 0x20 <= opcode <= 0x26
    ):
        _skip_number(reader)
    elif opcode in (0x11, 0x13) or 0x28 <= opcode <= 0x3E:
        _skip_number(reader)
        _skip_number(reader)
    elif opcode == 0x0E:
        for _ in range(reader.uleb() + 1):
            _skip_number(reader)
    elif opcode == 0x1C:
        reader.take(reader.uleb())
    elif opcode in (0x43, 0x44):
        reader.take(4 if opcode == 0x43 else 8)
    elif opcode > 0xD2 or 0x14 <= opcode <= 0x19:
        raise ValueError(f"opcode 0x{opcode:02x} at byte {reader.position}")


def _skip_prefixed(reader: wasm.Reader, prefix: int, number: int) -> None:
    """Step over the immediates of an instruction of bulk memory or of vectors."""
    if prefix == 0xFC:
        for _ in range(2 if number in (8, 10, 12, 14) else 1 if number >= 8 else 0):
            _skip_number(reader)
    elif number <= 11 or 84 <= number <= 93:
        _skip_number(reader)
        _skip_number(reader)
        reader.take(1 if 84 <= number <= 91 else 0)
    elif number in (12, 13):
        reader.take(16)
    elif 21 <= number <= 34:
        reader.take(1)


def _skip_number(reader: wasm.Reader) -> None:
    """Step over a LEB128 number, signed or not."""
    while reader.byte() & 0x80:
        pass
