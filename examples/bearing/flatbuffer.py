"""Just enough of FlatBuffers to write a file: tables, vectors and strings, laid out front to back.

    | root offset | identifier | vtable | root table | vtable | child | string | vector | ...

References are unsigned distances forwards, so a parent is written first and its references are filled in once the
children are placed. Format: "FlatBuffer Internals", google.github.io/flatbuffers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scalar:
    """A number inside a table: `Scalar("i", 3)`; codes are those of `struct`."""

    code: str
    value: float


@dataclass(frozen=True)
class Vector:
    """Numbers of one type; `align` places the first one for readers that map the file."""

    code: str
    values: Sequence[float] | bytes
    align: int = 4


@dataclass(frozen=True)
class Table:
    """Field number -> value; absent fields have the schema's default."""

    fields: Mapping[int, Scalar | Value]


#: What a table refers to.
Value = Table | Vector | str | Sequence[Table]


def write(root: Table, identifier: bytes) -> bytes:
    """Return the file: `identifier` has four bytes."""
    writer = _Writer()
    writer.out += bytes(4) + identifier
    place = writer.table(root)
    struct.pack_into("<I", writer.out, 0, place)
    return bytes(writer.out)


class _Writer:
    def __init__(self) -> None:
        self.out = bytearray()

    def value(self, value: Value) -> int:
        """Write a value and return its place."""
        if isinstance(value, Table):
            return self.table(value)
        if isinstance(value, str):
            text = value.encode()
            return self._append(struct.pack("<I", len(text)) + text + b"\0", 4, 0)
        if isinstance(value, Vector):
            count = len(value.values)
            body = (
                value.values if isinstance(value.values, bytes) else struct.pack(f"<{count}{value.code}", *value.values)
            )
            return self._append(struct.pack("<I", count) + body, max(value.align, struct.calcsize(value.code)), 4)
        place = self._append(struct.pack("<I", len(value)) + bytes(4 * len(value)), 4, 0)
        for index, table in enumerate(value):
            self._refer(place + 4 + 4 * index, self.table(table))
        return place

    def table(self, table: Table) -> int:
        """Write a vtable, its table and all that the table refers to; return the table's place."""
        offsets, size = self._inline(table)
        slots = max(table.fields, default=-1) + 1
        vtable = struct.pack(f"<HH{slots}H", 4 + 2 * slots, size, *(offsets.get(slot, 0) for slot in range(slots)))
        # The table follows its vtable, at a place that suits its largest number.
        self._pad(8, len(vtable))
        self.out += vtable
        place = len(self.out)
        self.out += struct.pack("<i", len(vtable)) + bytes(size - 4)
        for slot, value in table.fields.items():
            if isinstance(value, Scalar):
                struct.pack_into("<" + value.code, self.out, place + offsets[slot], value.value)
        for slot, value in table.fields.items():
            if not isinstance(value, Scalar):
                self._refer(place + offsets[slot], self.value(value))
        return place

    @staticmethod
    def _inline(table: Table) -> tuple[dict[int, int], int]:
        """Return where each field lies in the table, and the table's size."""
        sizes = {slot: struct.calcsize(v.code) if isinstance(v, Scalar) else 4 for slot, v in table.fields.items()}
        offsets, at = {}, 4
        for slot in sorted(sizes, key=lambda slot: -sizes[slot]):
            at = -(-at // sizes[slot]) * sizes[slot]
            offsets[slot] = at
            at += sizes[slot]
        return offsets, at

    def _refer(self, at: int, place: int) -> None:
        struct.pack_into("<I", self.out, at, place - at)

    def _append(self, data: bytes, align: int, header: int) -> int:
        self._pad(align, header)
        place = len(self.out)
        self.out += data
        return place

    def _pad(self, align: int, header: int) -> None:
        """Pad so that what follows after `header` bytes is aligned, and the header itself to 4."""
        self.out += bytes(-(len(self.out) + header) % max(align, 4))
