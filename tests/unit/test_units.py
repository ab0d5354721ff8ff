from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from edge_sdk.units import printable, rfc3339, seconds, si_bytes, utc_now


def test_stamps_have_milliseconds_and_a_z() -> None:
    assert rfc3339(datetime(2026, 1, 31, 12, 0, 0, 999_999, timezone.utc)) == "2026-01-31T12:00:00.999Z"
    assert rfc3339(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=3)))) == "2025-12-31T23:00:00.000Z"
    assert utc_now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 us"), (0.00034, "340 us"), (0.0125, "12.5 ms"), (3.21, "3.2 s"), (125.9, "2 min 05 s")],
)
def test_durations_are_readable(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(512, "512 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB"), (1 << 43, "8192.0 GiB")],
)
def test_sizes_have_binary_units(value: int, text: str) -> None:
    assert si_bytes(value) == text


def test_a_name_can_neither_move_the_cursor_nor_turn_the_line() -> None:
    assert printable("a \x1b[2J\x07\r\u202eb\nc \u00b5") == "a \\x1b[2J\\x07\\r\\u202eb\nc \u00b5"
