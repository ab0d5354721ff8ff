"""When certificates end, and whether the clock can be believed when one is judged.

A board without a clock of its own starts in the past, where every certificate is not yet valid. Verification is never
switched off for that: the last time that was surely right is kept in a file, and a clock before it is called wrong, so
that the reason is said and results wait until the time is set.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

#: Warned about on each connection.
SOON_DAYS = 30.0
DAY_S = 86400.0
#: No clock is right before this was written.
_WRITTEN_S = datetime(2026, 12, 1, tzinfo=timezone.utc).timestamp()
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0


def not_after(pem: bytes) -> float | None:
    """Return when the first certificate of a PEM file ends, seconds since 1970; None for what is no certificate.

    RFC 5280, section 4.1: Certificate > tbsCertificate > [version] serial signature issuer validity.
    """
    with suppress(ValueError, IndexError, UnicodeDecodeError):
        begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
        text = pem[pem.index(begin) : pem.index(end) + len(end)].decode("ascii")
        der = ssl.PEM_cert_to_DER_cert(text)
        inside = _content(_content(der, 0)[1], 0)[1]
        at = 0
        if inside[0] == _VERSION:
            at = _content(inside, at)[2]
        for _ in range(3):
            at = _content(inside, at)[2]
        tag, validity, _ = _content(inside, at)
        if tag != _SEQUENCE:
            return None
        tag, text_of_time, _ = _content(validity, _content(validity, 0)[2])
        return _seconds(tag, text_of_time.decode("ascii"))
    return None


def _content(der: bytes, at: int) -> tuple[int, bytes, int]:
    """Return tag, content and the place behind one element (X.690, 8.1)."""
    tag, length, at = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(der[at : at + size], "big"), at + size
    if at + length > len(der):
        raise ValueError("an element is longer than what holds it")
    return tag, der[at : at + length], at + length


def _seconds(tag: int, text: str) -> float | None:
    """RFC 5280, 4.1.2.5: two digits of a year below 50 belong to this century."""
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    elif tag != _GENERALIZED_TIME:
        return None
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()


def peer_not_after(wire: object) -> float | None:
    """Return when the certificate of the other side of a TLS connection ends; None without TLS."""
    if not isinstance(wire, ssl.SSLSocket):
        return None
    with suppress(ValueError, KeyError, TypeError):
        return float(ssl.cert_time_to_seconds(str((wire.getpeercert() or {})["notAfter"])))
    return None


def days_left(ends_s: float | None, now_s: float | None = None) -> float | None:
    """Return the days until then, with one digit."""
    if ends_s is None:
        return None
    return round((ends_s - (time.time() if now_s is None else now_s)) / DAY_S, 1)


class ClockFloor:
    """The latest time that was surely right; kept over restarts.

    Args:
        path: of the file; its time of change is what it says. None: not kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._floor_s = _WRITTEN_S

    def complaint(self, now_s: float) -> str:
        """Return what is wrong with the clock, "" for nothing that can be seen."""
        if self._path is not None:
            with suppress(OSError):
                self._floor_s = max(self._floor_s, self._path.stat().st_mtime)
        if now_s >= self._floor_s - DAY_S:
            return ""
        day = "%Y-%m-%d"
        now, floor = (datetime.fromtimestamp(at, timezone.utc).strftime(day) for at in (now_s, self._floor_s))
        return f"the clock says {now}, but it is {floor} or later; set the time (NTP), results wait"

    def confirmed(self, now_s: float) -> None:
        """A certificate was valid at this time: a broker with a good name and a wrong clock is unlikely."""
        if self._path is None or now_s < self._floor_s:
            return
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            self._floor_s = now_s
