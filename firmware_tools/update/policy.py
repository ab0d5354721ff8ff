"""May the application be switched now? Two things can forbid it: the application itself, and the hours of the plant.

/run/edge-sdk/NAME/update.lock    somebody holds flock(2) on it: busy with something that must not be cut off
/etc/edge-sdk/update.toml         window = "02:00-04:00"     UTC; may go past midnight
                                  days = ["sat", "sun"]      on which it begins; absent: every day

A window needs a clock that was set. Who must switch outside it says so; nobody overrules the application.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_sdk.config import Where, decode, read_toml
from edge_sdk.errors import BusyError, ConfigError, TargetNotFoundError
from firmware_tools.update.layout import Layout

FILE = "update.toml"
#: No device with this program has been alive earlier: a clock that says so was never set.
FIRST_YEAR = 2025
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """When versions may be switched."""

    window: str
    """"HH:MM-HH:MM" in UTC."""
    days: Annotated[tuple[Day, ...], Meta(min_length=1)] = DAYS
    """On which it begins."""

    def is_open(self, utc: datetime) -> bool:
        """Return whether a moment lies inside; the first minute does, the last does not."""
        start, end = _minutes(self.window)
        now = 60 * utc.hour + utc.minute
        if start < end:
            return start <= now < end and self._begins_on(utc)
        return (now >= start and self._begins_on(utc)) or (now < end and self._begins_on(utc - timedelta(days=1)))

    def _begins_on(self, utc: datetime) -> bool:
        return DAYS[utc.weekday()] in self.days

    def __str__(self) -> str:
        days = "" if set(self.days) == set(DAYS) else f" on {', '.join(self.days)}"
        return f"{self.window} UTC{days}"


def check_policy(layout: Layout, name: str, utc: datetime, *, now: bool = False) -> None:
    """Refuse to switch an application at a bad moment.

    Args:
        utc: the device's clock.
        now: the operator knows better than the window; not than the application.

    Raises:
        BusyError: says what to wait for.
        ConfigError: the file with the window is wrong.
    """
    window = read_window(layout)
    if is_held(layout, name):
        raise BusyError(
            f"{name}: wants no update now: {layout.update_lock(name)} is locked", hint="try again when it is done"
        )
    if now or window is None:
        return
    if utc.year < FIRST_YEAR:
        raise BusyError(
            f"{layout.etc / FILE}: updates only {window}, and the device's clock says {utc:%Y-%m-%d}: it was never set",
            hint="edge-sdk flash --now",
        )
    if not window.is_open(utc):
        raise BusyError(
            f"{layout.etc / FILE}: updates only {window}; the device's clock says {utc:%a %H:%M}",
            hint="edge-sdk flash --now, or wait",
        )


def read_window(layout: Layout) -> Window | None:
    """Return when versions may be switched; None for always.

    Raises:
        ConfigError: the file says something that cannot be meant.
    """
    path = layout.etc / FILE
    try:
        table = read_toml(path, {})
    except TargetNotFoundError as fault:
        if not os.path.lexists(path):
            return None
        raise ConfigError(fault.message) from None
    window = decode(table, Window, Where(path))
    found = _WINDOW.fullmatch(window.window)
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise Where(path, "window").error(f'expected two times such as "02:00-04:00", got {window.window[:40]!r}')
    return window


def is_held(layout: Layout, name: str) -> bool:
    """Return whether somebody holds the update lock. The application owns the file, so nothing about it is believed."""
    try:
        handle = os.open(layout.update_lock(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _minutes(window: str) -> tuple[int, int]:
    found = _WINDOW.fullmatch(window)
    assert found is not None  # noqa: S101 - `read_window` has looked
    hours = [int(part) for part in found.groups()]
    return 60 * hours[0] + hours[1], 60 * hours[2] + hours[3]
