"""Refuse a kernels.wasm that would not fit under a model's memory. Run by the build.

What must hold (kernels/abi/abi.h): the only import is the memory, stack and read-only data end below
EDGE_KERNEL_RESERVE, nothing starts by itself, and no global can be written but the stack pointer.
"""

from __future__ import annotations

import sys
from pathlib import Path

EDGE_KERNEL_RESERVE = 65536
IMPORT, GLOBAL, EXPORT, START = 2, 6, 7, 8


class Reader:
    """A cursor over the bytes of a Wasm binary."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def leb(self, *, signed: bool = False) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value - (1 << shift) if signed and byte & 0x40 else value

    def name(self) -> str:
        return self.take(self.leb()).decode()


def sections(data: bytes) -> dict[int, Reader]:
    """Section number -> its content; custom sections are left out."""
    reader, found = Reader(data), {}
    reader.take(8)
    while reader.at < len(data):
        number, size = reader.take(1)[0], reader.leb()
        content = reader.take(size)
        if number:
            found[number] = Reader(content)
    return found


def read_imports(reader: Reader) -> list[tuple[str, str, int]]:
    found = []
    for _ in range(reader.leb()):
        module, name, kind = reader.name(), reader.name(), reader.take(1)[0]
        if kind == 2:
            if reader.take(1)[0] & 1:
                reader.leb()
            reader.leb()
        elif kind == 0:
            reader.leb()
        else:
            raise SystemExit(f"kernels.wasm imports {module}.{name} of kind {kind}; only the memory is allowed")
        found.append((module, name, kind))
    return found


def read_globals(reader: Reader) -> list[tuple[bool, int]]:
    """(is mutable, initial value) of each i32 global."""
    found = []
    for _ in range(reader.leb()):
        _, mutable = reader.take(1), reader.take(1)[0]
        assert reader.take(1) == b"\x41", "globals are i32 constants"
        found.append((bool(mutable), reader.leb(signed=True)))
        assert reader.take(1) == b"\x0b"
    return found


def main(path: Path) -> None:
    found = sections(path.read_bytes())
    imports = read_imports(found[IMPORT])
    if [kind for *_, kind in imports] != [2]:
        raise SystemExit(f"{path.name}: imports {imports}, expected only the memory")
    if START in found:
        raise SystemExit(f"{path.name}: has a start function; is there a writable or zeroed global?")
    values = read_globals(found[GLOBAL])
    if sum(mutable for mutable, _ in values) > 1:
        raise SystemExit(f"{path.name}: has writable globals besides the stack pointer")
    exports = found[EXPORT]
    for _ in range(exports.leb()):
        name, kind, index = exports.name(), exports.take(1)[0], exports.leb()
        if (name, kind) == ("__heap_base", 3) and values[index][1] > EDGE_KERNEL_RESERVE:
            raise SystemExit(f"{path.name}: stack and data end at {values[index][1]}, above {EDGE_KERNEL_RESERVE}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
