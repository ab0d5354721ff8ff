"""The WebAssembly binary format, as much as is written and read here.

    module:  00 61 73 6d 01 00 00 00 | sections
    section: id | u32 size | contents;   vector: u32 count | elements;   u32 is LEB128

WebAssembly core specification 2.0, chapter 5.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_sdk.errors import ModelError

MAGIC = b"\0asm\1\0\0\0"
#: Section ids in the order in which they stand in a module; custom sections (0) stand anywhere.
CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, DATA_COUNT, TAG = range(14)
ORDER = (TYPE, IMPORT, FUNCTION, TABLE, MEMORY, TAG, GLOBAL, EXPORT, START, ELEMENT, DATA_COUNT, CODE, DATA)
#: Kinds of imports and exports.
KIND_FUNCTION, KIND_TABLE, KIND_MEMORY, KIND_GLOBAL = range(4)

I32 = b"\x7f"
#: Function types: of a kernel, and of `prepare` and `infer`.
TYPE_KERNEL = b"\x60\x01" + I32 + b"\x01" + I32
TYPE_ENTRY = b"\x60\x00\x01" + I32


def uleb(value: int) -> bytes:
    """Return the unsigned LEB128 form of a number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sleb(value: int) -> bytes:
    """Return the signed LEB128 form of a number."""
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def i32_const(value: int) -> bytes:
    """Return `i32.const` of an unsigned 32-bit number: the immediate is signed."""
    return b"\x41" + sleb(value - (1 << 32) if value >= 1 << 31 else value)


def vector(items: Iterable[bytes]) -> bytes:
    """Return count and items."""
    listed = list(items)
    return uleb(len(listed)) + b"".join(listed)


def name(text: str) -> bytes:
    """Return a length-prefixed UTF-8 string."""
    raw = text.encode()
    return uleb(len(raw)) + raw


def section(number: int, contents: bytes) -> bytes:
    """Return a section."""
    return bytes([number]) + uleb(len(contents)) + contents


def custom_section(title: str, contents: bytes) -> bytes:
    """Return a custom section."""
    return section(CUSTOM, name(title) + contents)


def name_section(module: str, functions: list[tuple[int, str]]) -> bytes:
    """Return the section that gives backtraces their names; `functions`: (index, name), indices rising."""
    parts = section(0, name(module))
    parts += section(1, vector(uleb(index) + name(title) for index, title in functions))
    return custom_section("name", parts)


def memory_limits(pages: int) -> bytes:
    """Return a memory type with minimum = maximum: it never grows."""
    return b"\x01" + uleb(pages) + uleb(pages)


def export(title: str, kind: int, index: int) -> bytes:
    """Return one export."""
    return name(title) + bytes([kind]) + uleb(index)


def data_segment(offset: int, contents: bytes | memoryview) -> bytes:
    """Return an active data segment of memory 0."""
    return b"".join([_segment_head(offset, contents), contents])


def data_section(segments: list[tuple[int, memoryview]]) -> list[bytes | memoryview]:
    """Return a data section in parts that are to be joined: the contents, most of a module, are copied only then."""
    parts: list[bytes | memoryview] = [uleb(len(segments))]
    for offset, contents in segments:
        parts += [_segment_head(offset, contents), contents]
    return [bytes([DATA]) + uleb(sum(map(len, parts))), *parts]


def _segment_head(offset: int, contents: bytes | memoryview) -> bytes:
    return b"\0" + i32_const(offset) + b"\x0b" + uleb(len(contents))


class Reader:
    """Reads a module's bytes, bounded; whatever is wrong is a ModelError."""

    def __init__(self, data: bytes, what: str, position: int = 0) -> None:
        self.data = data
        self.what = what
        self.position = position

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.data)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if self.position + count > len(self.data):
            raise self.error("it ends too early")
        self.position += count
        return self.data[self.position - count : self.position]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self.data) - self.position)

    def byte(self) -> int:
        return self.take(1)[0]

    def uleb(self) -> int:
        """Return an unsigned LEB128 number of at most 32 bits."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise self.error("a number is too long")

    def name(self) -> str:
        return self.take(self.uleb()).decode("utf-8", errors="replace")

    def limits(self) -> int:
        """Skip memory or table limits; return the minimum."""
        flags = self.byte()
        least = self.uleb()
        if flags & 1:
            self.uleb()
        return least

    def error(self, why: str) -> ModelError:
        return ModelError(f"{self.what}: {why} (byte {self.position} of {len(self.data)})")


def read_sections(data: bytes, what: str) -> list[tuple[int, bytes]]:
    """Return (id, contents) of every section.

    Raises:
        ModelError: the bytes are no module.
    """
    reader = Reader(data, what)
    if reader.take(min(8, len(data))) != MAGIC:
        raise ModelError(f"{what}: is no WebAssembly module")
    sections = []
    while not reader.at_end:
        number = reader.byte()
        sections.append((number, reader.take(reader.uleb())))
    return sections


def read_exports(contents: bytes, what: str) -> dict[str, tuple[int, int]]:
    """Return name -> (kind, index) of an export section."""
    reader = Reader(contents, what)
    exports = {}
    for _ in range(reader.uleb()):
        title = reader.name()
        kind = reader.byte()
        exports[title] = kind, reader.uleb()
    return exports
