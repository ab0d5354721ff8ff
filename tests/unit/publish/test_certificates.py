from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk.publish.certificates import DAY_S, ClockFloor, days_left, not_after
from tests.support import require_tool


def certificate(folder: Path, *more: str) -> bytes:
    openssl = require_tool("openssl", "openssl")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(folder / "k.pem")]
    made = [openssl, "req", "-x509", *key, "-out", str(folder / "c.pem"), "-subj", "/CN=device", *more]
    subprocess.run(made, check=True, capture_output=True)
    return (folder / "c.pem").read_bytes()


@pytest.mark.parametrize("days", [1, 30, 365 * 40])
def test_the_end_is_what_openssl_says(tmp_path: Path, days: int) -> None:
    """Forty years go beyond 2049, where the date has another form."""
    pem = certificate(tmp_path, "-days", str(days))
    command = [require_tool("openssl", "openssl"), "x509", "-in", str(tmp_path / "c.pem"), "-noout", "-enddate"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    said = datetime.strptime(printed, "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=timezone.utc)
    assert not_after(pem) == said.timestamp()
    assert not_after(b"text before it\n" + pem + pem) == said.timestamp()


def test_what_is_no_certificate_has_no_end(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "-days", "1")
    key = (tmp_path / "k.pem").read_bytes()
    for bad in (b"", key, pem[: len(pem) // 2], pem.replace(b"M", b"Q", 20)):
        assert not_after(bad) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_survived(data: bytes) -> None:
    import base64

    not_after(b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(data) + b"\n-----END CERTIFICATE-----\n")


def test_days_are_counted_from_now() -> None:
    assert days_left(10 * DAY_S, 8.5 * DAY_S) == 1.5
    assert days_left(None) is None


def test_a_clock_before_the_last_known_time_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "state" / "clock"
    assert "the clock says 1970-01-01, but it is 2026-12-01 or later" in ClockFloor(path).complaint(5.0)
    later_s = datetime(2030, 6, 1, tzinfo=timezone.utc).timestamp()
    assert ClockFloor(path).complaint(later_s) == ""
    ClockFloor(path).confirmed(later_s)
    os.utime(path, (later_s, later_s))
    assert "2030-06-01 or later" in ClockFloor(path).complaint(later_s - 30 * DAY_S)
    assert ClockFloor(path).complaint(later_s - 0.5 * DAY_S) == ""


def test_without_a_place_to_keep_it_the_floor_is_when_this_was_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for floor in (ClockFloor(None), ClockFloor(tmp_path / "file" / "clock")):
        floor.confirmed(2e9)
        assert floor.complaint(5.0)
        assert not floor.complaint(2e9)
