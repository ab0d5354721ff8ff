"""A bounded reader of Wasm binaries: only what has to be known before a module is instantiated.

Reads types, imports, functions, memories, exports, the presence of a start section, and custom sections; cuts code
into functions and steps over data. Whether these are valid is Wasmtime's to say. Nothing is allocated by a length
from the file: every count is held against the bytes that are left.

WebAssembly Core Specification 2.0, chapter 5 (binary format).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from edge_sdk.errors import ModelError

MAGIC = b"\0asm\x01\0\0\0"
CUSTOM, TYPE, IMPORT, FUNCTION, MEMORY, EXPORT, START, CODE = 0, 1, 2, 3, 5, 7, 8, 10
FUNC, TABLE, MEM, GLOBAL, TAG = 0, 1, 2, 3, 4
KIND_NAMES = {FUNC: "function", TABLE: "table", MEM: "memory", GLOBAL: "global", TAG: "tag"}
#: More of anything than this is no module of ours.
MAX_ITEMS = 100_000

T = TypeVar("T")


@dataclass(frozen=True)
class FunctionType:
    """Parameters and results as bytes of value types; 0x7f is i32."""

    params: bytes
    results: bytes

    def __str__(self) -> str:
        names = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
        sides = [", ".join(names.get(t, f"0x{t:02x}") for t in side) for side in (self.params, self.results)]
        return f"({sides[0]}) -> ({sides[1]})"


@dataclass(frozen=True)
class Import:
    """One import; `type_index` is meant for functions only."""

    module: str
    name: str
    kind: int
    type_index: int = 0


@dataclass(frozen=True)
class MemoryType:
    """Limits as written: flags bit 0 = has a maximum, 1 = shared, 2 = 64-bit, 3 = custom page size."""

    flags: int
    minimum: int
    maximum: int


@dataclass
class WasmBinary:
    """What the sections say."""

    types: list[FunctionType] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    memories: list[MemoryType] = field(default_factory=list)
    exports: dict[str, tuple[int, int]] = field(default_factory=dict)
    custom: dict[str, bytes] = field(default_factory=dict)
    has_start: bool = False
    bodies: tuple[bytes, ...] = ()

    def function_type(self, index: int) -> FunctionType | None:
        """Return the type of function `index` (imports count first), or None when there is no such function."""
        imported = [i.type_index for i in self.imports if i.kind == FUNC]
        types = imported[index : index + 1] or self.functions[index - len(imported) : index - len(imported) + 1]
        return self.types[types[0]] if types and types[0] < len(self.types) else None


class Cursor:
    """Reads forward in data[at:end]; every overrun is a ModelError that names the place."""

    def __init__(self, data: bytes, at: int, end: int, what: str) -> None:
        self.data, self.at, self.end, self.what = data, at, end, what

    def fail(self, problem: str) -> ModelError:
        return ModelError(
            f"damaged Wasm module: {problem} in the {self.what} at byte 0x{self.at:08x}",
            hint="convert or copy the model again",
        )

    def take(self, count: int) -> bytes:
        if count > self.end - self.at:
            raise self.fail(f"{count} bytes expected, {self.end - self.at} left")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def leb(self, bits: int = 32) -> int:
        value = 0
        for shift in range(0, bits, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> bits:
                    break
                return value
        raise self.fail(f"a number that does not fit {bits} bits")

    def signed_leb(self) -> int:
        """A number of 32 bits."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value - (1 << shift + 7) if byte & 0x40 else value
        raise self.fail("a number that does not fit 32 bits")

    def name(self) -> str:
        raw = self.take(self.leb())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.fail("a name that is not UTF-8") from None

    def items(self, read: Callable[[], T]) -> list[T]:
        count = self.leb()
        if count > min(self.end - self.at, MAX_ITEMS):
            raise self.fail(f"{count} items")
        return [read() for _ in range(count)]

    def function_type(self) -> FunctionType:
        form = self.byte()
        if form != 0x60:
            raise self.fail(f"type form 0x{form:02x}, expected a function type (0x60)")
        return FunctionType(self.take(self.leb()), self.take(self.leb()))

    def memory_type(self) -> MemoryType:
        flags = self.byte()
        bits = 64 if flags & 4 else 32
        minimum = self.leb(bits)
        maximum = self.leb(bits) if flags & 1 else 0
        if flags & 8:
            self.leb()
        return MemoryType(flags, minimum, maximum)

    def import_(self) -> Import:
        module, name, kind = self.name(), self.name(), self.byte()
        if kind == FUNC:
            return Import(module, name, kind, self.leb())
        if kind == TABLE:
            self.byte()
            self.memory_type()
        elif kind == MEM:
            self.memory_type()
        elif kind in (GLOBAL, TAG):
            self.take(2)
        else:
            raise self.fail(f"import of unknown kind {kind}")
        return Import(module, name, kind)

    def export(self) -> tuple[str, tuple[int, int]]:
        return self.name(), (self.byte(), self.leb())


def read_binary(data: bytes) -> WasmBinary:
    """Parse the sections of `data`.

    Raises:
        ModelError: not a Wasm module, or damaged.
    """
    if data[:8] != MAGIC:
        raise ModelError(
            f"not a Wasm module: it starts with {data[:8].hex(' ') or 'nothing'}, expected {MAGIC.hex(' ')}",
            hint="give a .wasm made by `edge-sdk convert`, or a .tflite",
        )
    binary = WasmBinary()
    outer = Cursor(data, 8, len(data), "module")
    seen: set[int] = set()
    while outer.at < outer.end:
        number, size = outer.byte(), outer.leb()
        start = outer.at
        outer.take(size)
        if number in seen and number != CUSTOM:
            raise outer.fail(f"section {number} twice")
        seen.add(number)
        _read_section(binary, number, Cursor(data, start, start + size, f"section {number}"))
    return binary


def _read_section(binary: WasmBinary, number: int, cursor: Cursor) -> None:
    if number == CUSTOM:
        name = cursor.name()
        if name in binary.custom and name.startswith("edge."):
            raise cursor.fail(f"custom section {name!r} twice")
        if name.startswith("edge."):
            binary.custom[name] = cursor.take(cursor.end - cursor.at)
    elif number == TYPE:
        binary.types = cursor.items(cursor.function_type)
    elif number == IMPORT:
        binary.imports = cursor.items(cursor.import_)
    elif number == FUNCTION:
        binary.functions = cursor.items(cursor.leb)
    elif number == MEMORY:
        binary.memories = cursor.items(cursor.memory_type)
    elif number == EXPORT:
        binary.exports = dict(cursor.items(cursor.export))
    elif number == START:
        binary.has_start = True
    elif number == CODE:
        binary.bodies = tuple(cursor.items(lambda: cursor.take(cursor.leb())))
