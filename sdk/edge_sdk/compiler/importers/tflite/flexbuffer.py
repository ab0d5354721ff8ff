r"""A bounded reader of the options of custom operators: one flat map, a flexbuffer, in which everything points back.

    ... | keys: count, distances to NUL-ended texts ... | distance to keys, its width, count, values, types | root |

    root: value, one byte type << 2 | log2(width), one byte width of the value

Damaged bytes give ModelError. Nothing is followed further than from the root to the map, its keys and its values, and
no step leads upwards. Values that are no number, truth or text are left out: no operator here has any.

https://flatbuffers.dev/flexbuffers/
"""

from __future__ import annotations

import struct
from typing import Any

from edge_sdk.errors import ModelError

Scalar = bool | int | float | str | None

MAX_ENTRIES = 256
MAX_TEXT_BYTES = 256

NULL, INT, UINT, FLOAT, STRING, INDIRECT_INT, INDIRECT_UINT, INDIRECT_FLOAT, MAP, BOOL = 0, 1, 2, 3, 5, 6, 7, 8, 9, 26

_CODES = {
    INT: {1: "b", 2: "h", 4: "i", 8: "q"},
    UINT: {1: "B", 2: "H", 4: "I", 8: "Q"},
    FLOAT: {2: "e", 4: "f", 8: "d"},
}
_DIRECT = {INDIRECT_INT: INT, INDIRECT_UINT: UINT, INDIRECT_FLOAT: FLOAT}


def read_map(data: bytes) -> dict[str, Scalar]:
    """Return the map that `data` holds.

    Raises:
        ModelError: it holds something else, or is damaged.
    """
    if len(data) < 3:
        raise ModelError(f"custom options of {len(data)} bytes")
    root_type, root_width = data[-2] >> 2, data[-1]
    if root_type != MAP:
        raise ModelError("custom options that are no map")
    return _Reader(data).map(len(data) - 2 - root_width, root_width, 1 << (data[-2] & 3))


class _Reader:
    """The bytes, and reading from them with every position checked."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def map(self, reference: int, reference_width: int, width: int) -> dict[str, Scalar]:
        start = self._target(reference, reference_width)
        count = self._number(start - width, UINT, width)
        if count > MAX_ENTRIES:
            raise ModelError(f"custom options with {count} entries, at most {MAX_ENTRIES}")
        if count == 0:
            return {}  # it need not have keys
        keys = self._target(start - 3 * width, width)
        keys_width = self._number(start - 2 * width, UINT, width)
        entries: dict[str, Scalar] = {}
        for index in range(count):
            key = self._text(self._target(keys + index * keys_width, keys_width))
            packed = self._number(start + count * width + index, UINT, 1)
            kind, element_width = packed >> 2, 1 << (packed & 3)
            entries[key] = self._scalar(start + index * width, width, kind, element_width)
        return entries

    def _scalar(self, position: int, width: int, kind: int, element_width: int) -> Scalar:
        if kind in _DIRECT:
            position, width, kind = self._target(position, width), element_width, _DIRECT[kind]
        if kind == BOOL:
            return bool(self._number(position, UINT, width))
        if kind == STRING:
            return self._text(self._target(position, width))
        if kind in _CODES:
            number: int | float = self._number(position, kind, width)
            return number
        return None

    def _target(self, position: int, width: int) -> int:
        """Return where the reference at `position` leads."""
        distance: int = self._number(position, UINT, width)
        if distance > position:
            raise ModelError(f"custom options are damaged: a reference of {distance} bytes back from byte {position}")
        return position - distance

    def _number(self, position: int, kind: int, width: int) -> Any:
        code = _CODES[kind].get(width)
        if code is None:
            raise ModelError(f"custom options are damaged: a number of {width} bytes")
        if position < 0 or position + width > len(self.data):
            raise ModelError(f"custom options are damaged: a number at byte {position} of {len(self.data)}")
        return struct.unpack_from("<" + code, self.data, position)[0]

    def _text(self, position: int) -> str:
        end = self.data.find(b"\0", position, position + MAX_TEXT_BYTES)
        if end < 0:
            raise ModelError(f"custom options are damaged: a text without an end at byte {position}")
        return self.data[position:end].decode("utf-8", errors="replace")
