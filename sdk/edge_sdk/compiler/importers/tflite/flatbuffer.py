r"""A bounded reader of flatbuffers: damaged bytes give ModelError, never another exception or a large allocation.

    root:  u32 offset of the root table | 4 bytes identifier | ...
    table: i32 back to its vtable | fields ...
    vtable: u16 own bytes | u16 table bytes | u16 offset in the table of field 0, 1, ... (0: absent)
    vector: u32 count | elements;   string: a vector of bytes and a NUL

Every position is checked against the whole buffer before it is read, and nothing is read ahead: a table is two
integers until a field is asked for. References point forward only, so a chain of them ends; the reader never
recurses. Vectors of numbers are views on the buffer.

https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import ModelError

#: Longest name that is kept; the rest is cut off.
MAX_STRING_BYTES = 1024

_SIZES = {"b": 1, "B": 1, "?": 1, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}


class FlatBuffer:
    """The bytes of one file.

    Args:
        data: the file.
        name: for error messages.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name

    def root(self, identifier: bytes) -> Table:
        """Return the root table; the file identifier must match."""
        if self.data[4:8] != identifier:
            raise self.damaged(f"identifier {self.data[4:8]!r}, expected {identifier!r}")
        return self.table(self.offset(0))

    def number(self, position: int, code: str) -> Any:
        """Return the little-endian number of struct code `code` at `position`."""
        if position < 0 or position + _SIZES[code] > len(self.data):
            raise self.damaged(f"a number at byte {position} of {len(self.data)}")
        return struct.unpack_from("<" + code, self.data, position)[0]

    def offset(self, position: int) -> int:
        """Return where the reference at `position` points."""
        distance: int = self.number(position, "I")
        if distance == 0:
            raise self.damaged(f"an empty reference at byte {position}")
        return position + distance

    def table(self, position: int) -> Table:
        """Return the table at `position`, its vtable checked."""
        vtable = position - self.number(position, "i")
        size = self.number(vtable, "H")
        if size < 4 or size % 2 or vtable + size > len(self.data):
            raise self.damaged(f"a vtable of {size} bytes at byte {vtable}")
        end = position + self.number(vtable + 2, "H")
        if end > len(self.data):
            raise self.damaged(f"a table of {end - position} bytes at byte {position}")
        return Table(self, position, vtable, (size - 4) // 2, end)

    def vector(self, position: int, element_bytes: int) -> tuple[int, int]:
        """Return (position of the first element, count) of the vector at `position`."""
        count: int = self.number(position, "I")
        if position + 4 + count * element_bytes > len(self.data):
            raise self.damaged(f"a vector of {count} elements of {element_bytes} bytes at byte {position}")
        return position + 4, count

    def damaged(self, what: str) -> ModelError:
        """Return the error to raise."""
        return ModelError(
            f"{self.name}: the file is damaged: {what}", hint="check that the file was downloaded completely"
        )


@dataclass(frozen=True)
class Table:
    """A view of one table.

        index = operator.number(schema.Operator.OPCODE_INDEX, "I", 0)

    `slot` is always a field's number in the schema.
    """

    buffer: FlatBuffer
    position: int
    vtable: int
    slots: int
    end: int

    def number(self, slot: int, code: str, default: Any) -> Any:
        """Return a scalar field, or `default` where it is absent."""
        at = self._field(slot, _SIZES[code])
        return default if at is None else self.buffer.number(at, code)

    def string(self, slot: int) -> str:
        """Return a text field, at most MAX_STRING_BYTES of it; "" where it is absent."""
        at = self._field(slot, 4)
        if at is None:
            return ""
        start, count = self.buffer.vector(self.buffer.offset(at), 1)
        return self.buffer.data[start : start + min(count, MAX_STRING_BYTES)].decode("utf-8", errors="replace")

    def table(self, slot: int) -> Table | None:
        """Return a table field, or None where it is absent."""
        at = self._field(slot, 4)
        return None if at is None else self.buffer.table(self.buffer.offset(at))

    def tables(self, slot: int, most: int) -> list[Table]:
        """Return a field that is a vector of tables; [] where it is absent.

        Raises:
            ModelError: more than `most` of them.
        """
        at = self._field(slot, 4)
        if at is None:
            return []
        start, count = self.buffer.vector(self.buffer.offset(at), 4)
        if count > most:
            raise self.buffer.damaged(f"a list of {count} tables, at most {most}")
        return [self.buffer.table(self.buffer.offset(start + 4 * index)) for index in range(count)]

    def numbers(self, slot: int, dtype: str) -> NDArray[Any] | None:
        """Return a field that is a vector of numbers, as a view; None where it is absent."""
        at = self._field(slot, 4)
        if at is None:
            return None
        kind = np.dtype(dtype).newbyteorder("<")
        start, count = self.buffer.vector(self.buffer.offset(at), kind.itemsize)
        return np.frombuffer(self.buffer.data, kind, count, start) if count else np.zeros(0, kind)

    def integers(self, slot: int, most: int) -> list[int]:
        """Return a short vector of int32 as Python integers; [] where it is absent.

        Raises:
            ModelError: more than `most` of them.
        """
        values = self.numbers(slot, "int32")
        if values is None:
            return []
        if values.size > most:
            raise self.buffer.damaged(f"a list of {values.size} integers, at most {most}")
        return [int(value) for value in values]

    def _field(self, slot: int, size: int) -> int | None:
        if slot >= self.slots:
            return None
        distance: int = self.buffer.number(self.vtable + 4 + 2 * slot, "H")
        if distance == 0:
            return None
        if distance < 4 or self.position + distance + size > self.end:
            raise self.buffer.damaged(f"field {slot} of the table at byte {self.position} lies outside it")
        return self.position + distance
