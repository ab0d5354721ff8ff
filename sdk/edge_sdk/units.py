"""Time stamps, quantities and names as text, in one spelling everywhere."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    """Return the wall clock, aware, UTC."""
    return datetime.now(timezone.utc)


def rfc3339(utc: datetime) -> str:
    """Return the stamp with milliseconds and a Z: 2026-01-31T12:00:00.250Z (RFC 3339, section 5.6)."""
    return utc.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def si_bytes(size: float) -> str:
    """Return a size with a binary unit: 512 B, 1.5 KiB, 3.0 MiB."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def seconds(value: float) -> str:
    """Return a duration a person can read: 340 us, 12.5 ms, 3.2 s, 2 min 05 s."""
    if value < 1e-3:
        return f"{value * 1e6:.0f} us"
    if value < 1:
        return f"{value * 1e3:.1f} ms"
    if value < 60:
        return f"{value:.1f} s"
    return f"{int(value) // 60} min {int(value) % 60:02d} s"


def utf8(name: str) -> str:
    """Return a file's name as text that can be written down; bytes that are not UTF-8 become question marks."""
    return name.encode(errors="replace").decode()


def printable(text: str) -> str:
    """Return text for a terminal: names come from files, and none may move the cursor or change a colour."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
