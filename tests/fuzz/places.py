"""Where a .tflite file keeps what makes it a model: references, counts, numbers, entries of vtables.

A damage at such a place leaves a file that is still read, up to the check that has to catch it; one at a random byte
mostly lands in weights. Tables of options are not known here: what looks like a reference to a vector is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge_sdk.compiler.importers.tflite.flatbuffer import FlatBuffer, Table
from edge_sdk.errors import ModelError

#: Bytes of a constant that are looked at as numbers: axes, sizes, paddings; and of vectors of scales.
MOST_CONTENTS = 256
#: Field -> struct code, text "s", vector of numbers "[i", a table or a list of tables (by name), "?": a union's table.
SCHEMA: dict[str, dict[int, Any]] = {
    "Model": {0: "I", 1: ["OperatorCode"], 2: ["SubGraph"], 3: "s", 4: ["Buffer"]},
    "OperatorCode": {0: "b", 1: "s", 2: "i", 3: "i"},
    "SubGraph": {0: ["Tensor"], 1: "[i", 2: "[i", 3: ["Operator"], 4: "s"},
    "Tensor": {0: "[i", 1: "b", 2: "I", 3: "s", 4: "Quantization", 5: "?", 6: "Options", 7: "[i", 8: "?"},
    "Quantization": {0: "[f", 1: "[f", 2: "[f", 3: "[q", 4: "B", 5: "Options", 6: "i"},
    "Operator": {0: "I", 1: "[i", 2: "[i", 3: "B", 4: "Options", 5: "[B", 6: "b", 8: "[i"},
    "Buffer": {0: "[B", 1: "Q", 2: "Q"},
}
SIZES = {"b": 1, "B": 1, "?": 1, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}


@dataclass
class Places:
    """Positions in a file; a number is (position, bytes)."""

    references: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    numbers: list[tuple[int, int]] = field(default_factory=list)
    vtable_entries: list[int] = field(default_factory=list)


def find_places(data: bytes) -> Places:
    """Return the places of an undamaged file."""
    places = Places()
    buffer = FlatBuffer(data, "model")
    places.references.append(0)
    _table(places, buffer.table(buffer.offset(0)), "Model")
    return places


def _table(places: Places, table: Table, kind: str) -> None:
    for slot in range(table.slots):
        entry = table.vtable + 4 + 2 * slot
        distance = table.buffer.number(entry, "H")
        if not distance:
            continue
        places.vtable_entries.append(entry)
        what = SCHEMA[kind].get(slot) if kind in SCHEMA else None
        at = table.position + distance
        if what is None:
            _unknown(places, table, at)
        elif isinstance(what, str) and what in SIZES:
            places.numbers.append((at, SIZES[what]))
        else:
            places.references.append(at)
            _referred(places, table, at, what)


def _referred(places: Places, table: Table, at: int, what: Any) -> None:
    buffer = table.buffer
    target = buffer.offset(at)
    if what == "s":
        places.counts.append(target)
    elif isinstance(what, list):
        places.counts.append(target)
        start, count = buffer.vector(target, 4)
        for position in range(start, start + 4 * count, 4):
            places.references.append(position)
            _table(places, buffer.table(buffer.offset(position)), what[0])
    elif what.startswith("["):
        _vector(places, buffer, target, SIZES[what[1]])
    else:
        _table(places, buffer.table(target), what)


def _vector(places: Places, buffer: FlatBuffer, target: int, width: int) -> None:
    places.counts.append(target)
    start, count = buffer.vector(target, width)
    if width == 1:  # the contents of a constant, or custom options
        width, count = 4, count // 4
    if width * count <= MOST_CONTENTS:
        places.numbers += [(start + width * index, width) for index in range(count)]


def _unknown(places: Places, table: Table, at: int) -> None:
    """Take a field of options for a number of four bytes; where it could lead to a short vector, for that too."""
    if at + 4 > table.end:
        places.numbers.append((at, 1))
        return
    places.numbers.append((at, 4))
    distance = table.buffer.number(at, "I")
    if distance < 4 or at + distance + 4 > len(table.buffer.data):
        return
    try:
        _, count = table.buffer.vector(at + distance, 4)
    except ModelError:
        return
    if count <= MOST_CONTENTS // 4:
        places.references.append(at)
        _vector(places, table.buffer, at + distance, 4)
