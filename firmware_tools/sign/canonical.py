"""One value, one text: JSON with sorted keys, no spaces and no floats, so that signing it means signing the value.

Decoding accepts only what encoding gives. That refuses, with one comparison, duplicate keys, other spellings of a
number or text, and fields left out.
"""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec

from edge_sdk.errors import ConfigError

T = TypeVar("T")


def encode(value: object) -> bytes:
    """Return the canonical bytes of a msgspec Struct or of plain JSON values."""
    plain = msgspec.to_builtins(value)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def decode(data: bytes, kind: type[T], what: str) -> T:
    """Return `data` as a `kind`.

    Args:
        what: names the document in complaints.

    Raises:
        ConfigError: not JSON, not of this kind, or not in canonical form.
    """
    try:
        value = msgspec.json.decode(data, type=kind)
        canonical = encode(value)
    except (ValueError, RecursionError) as fault:  # msgspec's errors and UnicodeError are ValueErrors
        raise ConfigError(f"{what}: malformed: {fault}") from None
    if canonical != data:
        raise ConfigError(f"{what}: malformed: it is not in canonical form")
    return value
