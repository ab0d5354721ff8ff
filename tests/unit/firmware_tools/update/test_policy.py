"""When an application may be switched."""

from __future__ import annotations

import fcntl
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge_sdk.errors import BusyError, ConfigError
from firmware_tools.update.layout import Layout
from firmware_tools.update.policy import DAYS, Window, check_policy, is_held, read_window

#: A Saturday.
SATURDAY = 14


def utc(hour: int, minute: int = 0, day: int = SATURDAY) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=timezone.utc)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.etc.mkdir(parents=True)
    layout.run("app").mkdir(parents=True)
    return layout


def write(layout: Layout, text: str) -> None:
    (layout.etc / "update.toml").write_text(text)


@pytest.mark.parametrize(
    ("window", "days", "moment", "is_open"),
    [
        ("02:00-04:00", DAYS, utc(2), True),
        ("02:00-04:00", DAYS, utc(3, 59), True),
        ("02:00-04:00", DAYS, utc(4), False),
        ("02:00-04:00", DAYS, utc(1, 59), False),
        ("22:00-04:00", DAYS, utc(23), True),
        ("22:00-04:00", DAYS, utc(3), True),
        ("22:00-04:00", DAYS, utc(12), False),
        ("02:00-04:00", ("sat",), utc(3), True),
        ("02:00-04:00", ("sun",), utc(3), False),
        ("22:00-04:00", ("sat",), utc(23), True),
        ("22:00-04:00", ("sat",), utc(3, day=SATURDAY + 1), True),  # begun on Saturday
        ("22:00-04:00", ("sat",), utc(3), False),  # begun on Friday
        ("22:00-04:00", ("sat",), utc(23, day=SATURDAY + 1), False),
    ],
)
def test_a_window_is_a_pure_function_of_the_time(
    window: str, days: tuple[str, ...], moment: datetime, is_open: bool
) -> None:
    assert Window(window, days).is_open(moment) is is_open  # type: ignore[arg-type]


def test_without_a_file_any_time_will_do_even_1970(layout: Layout) -> None:
    check_policy(layout, "app", datetime(1970, 1, 1, tzinfo=timezone.utc))
    assert read_window(layout) is None


def test_outside_the_window_the_operator_waits_or_says_now(layout: Layout) -> None:
    write(layout, 'window = "02:00-04:00"\ndays = ["sat", "sun"]\n')
    check_policy(layout, "app", utc(3))
    with pytest.raises(BusyError, match=r"only 02:00-04:00 UTC on sat, sun; .* Sat 12:00") as caught:
        check_policy(layout, "app", utc(12))
    assert "--now" in caught.value.hint
    check_policy(layout, "app", utc(12), now=True)


def test_a_clock_that_was_never_set_cannot_judge_a_window(layout: Layout) -> None:
    write(layout, 'window = "02:00-04:00"\n')
    dead = datetime(1970, 1, 1, 3, tzinfo=timezone.utc)
    with pytest.raises(BusyError, match="never set") as caught:
        check_policy(layout, "app", dead)
    assert "--now" in caught.value.hint
    check_policy(layout, "app", dead, now=True)


@pytest.mark.parametrize(
    "text",
    [
        "window = 2",
        'window = "2:00-4:00"',
        'window = "02:00-24:00"',
        'window = "02:00-02:00"',
        'window = "02:00"',
        'widow = "02:00-04:00"',
        "",
        'window = "02:00-04:00"\ndays = []',
        'window = "02:00-04:00"\ndays = ["caturday"]',
        'window = "02:00-04:00"\nmore = 1',
        "window =",
        "\0",
    ],
)
def test_a_bad_file_forbids_rather_than_allows(layout: Layout, text: str) -> None:
    write(layout, text)
    with pytest.raises(ConfigError, match=r"update\.toml"):
        check_policy(layout, "app", utc(3), now=True)


def test_a_file_that_cannot_be_one_forbids_too(layout: Layout) -> None:
    (layout.etc / "update.toml").mkdir()
    with pytest.raises(ConfigError, match="folder"):
        check_policy(layout, "app", utc(3))
    (layout.etc / "update.toml").rmdir()
    (layout.etc / "update.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="no such file"):
        check_policy(layout, "app", utc(3))


@pytest.mark.parametrize("how", [fcntl.LOCK_EX, fcntl.LOCK_SH])
def test_an_application_that_is_busy_is_not_switched_whatever_the_operator_says(layout: Layout, how: int) -> None:
    path = layout.update_lock("app")
    path.write_text("")
    check_policy(layout, "app", utc(3))
    with path.open("r+") as file:
        fcntl.flock(file, how)
        with pytest.raises(BusyError, match="wants no update now"):
            check_policy(layout, "app", utc(3), now=True)
    check_policy(layout, "app", utc(3))


@pytest.mark.parametrize("what", ["pipe", "link", "folder", "device"])
def test_nothing_else_in_the_place_of_the_lock_stops_an_update(layout: Layout, what: str) -> None:
    path = layout.update_lock("app")
    if what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        (layout.root / "lock").write_text("")
        path.symlink_to(layout.root / "lock")
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert not is_held(layout, "app")
