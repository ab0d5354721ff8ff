from __future__ import annotations

import pytest
from msgspec.structs import replace

from firmware_tools.flash.trial_round import LAST_LINES, Round, last_words, new_lines
from firmware_tools.update.messages import AppStatus, Slot
from firmware_tools.update.state import Failure

OLD, NEW = (Slot(f"0.0.1-{letter * 12}", "0.0.1", 1, letter * 64) for letter in "ab")
BEFORE = AppStatus(
    name="line",
    phase="running",
    current=OLD.id,
    confirmed=OLD,
    previous=None,
    trial=None,
    kind="update",
    attempts=0,
    failures=(),
    pid=10,
    verdict="healthy",
    results=500,
    p99_ms=1.0,
    memory_mib=60,
    delivered=500,
    waiting=0,
)
TRIAL = replace(BEFORE, phase="trial", current=NEW.id, trial=NEW, kind="watch", results=0)
STARTED = replace(TRIAL, pid=20, attempts=1, verdict="source accel has given nothing")
WORKS = replace(STARTED, results=3, verdict="healthy")
KEPT = replace(BEFORE, current=NEW.id, confirmed=NEW, previous=OLD, pid=20, results=20)


def news(*statuses: AppStatus, before_pid: int = 10) -> list[tuple[str, float]]:
    """The events, a second apart from each other, with the seconds they speak of."""
    current = Round(NEW.id, before_pid, 100.0)
    told = [one for number, status in enumerate(statuses, 1) for one in current.look(status, 100.0 + number)]
    return [(one.event, one.fields.get("seconds", 0)) for one in told]


def test_a_version_that_is_good_is_followed_from_the_restart_to_its_verdict() -> None:
    assert news(TRIAL, STARTED, WORKS, WORKS, KEPT, KEPT) == [("restarted", 2), ("results", 3), ("healthy", 5)]


def test_the_results_of_the_process_before_do_not_count() -> None:
    assert news(replace(TRIAL, results=500, pid=10), replace(TRIAL, results=501, pid=10)) == []


def test_a_version_that_was_never_seen_on_trial_can_be_healthy() -> None:
    assert news(KEPT) == [("restarted", 1), ("results", 1), ("healthy", 1)]


def test_a_version_that_is_given_up_says_why_and_what_runs_now() -> None:
    current = Round(NEW.id, 10, 100.0)
    failure = Failure(NEW.id, "started once without becoming healthy; lastly: exit\x1b[31m code 3", 1, "2026")
    (told,) = current.look(replace(BEFORE, failures=(failure,)), 104.0)
    assert (told.event, current.outcome) == ("reverted", "reverted")
    assert told.fields == {"slot": NEW.id, "reason": current.reason, "runs": OLD.id, "seconds": 4.0}
    assert "exit code 3" in current.reason.replace("\\x1b[31m", "")
    assert "\x1b" not in told.text
    assert f"{OLD.id} runs again" in told.text
    assert list(current.look(KEPT, 105.0)) == [], "a verdict is a verdict"


def test_the_very_first_version_leaves_nothing_behind() -> None:
    current = Round(NEW.id, 0, 100.0)
    (told,) = current.look(replace(BEFORE, current="", confirmed=None, phase="absent", pid=0), 101.0)
    assert "nothing runs there now" in told.text
    assert told.fields["runs"] == ""


def test_another_trial_in_its_place_ends_it() -> None:
    other = replace(NEW, id="0.0.1-cccccccccccc")
    current = Round(NEW.id, 10, 100.0)
    (told,) = current.look(replace(TRIAL, trial=other, current=other.id), 101.0)
    assert current.outcome == "reverted"
    assert "another version" in told.fields["reason"]


def test_what_the_judge_misses_is_told_when_it_changes_and_not_during_a_start() -> None:
    silent = replace(STARTED, verdict="no new result was produced")
    assert [event for event, _ in news(STARTED, silent)] == ["restarted"]
    assert [event for event, _ in news(STARTED, STARTED, silent, silent)] == ["restarted", "verdict"]


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ([], ["a", "b"], ["a", "b"]),
        (["a", "b"], ["a", "b"], []),
        (["a", "b"], ["a", "b", "c"], ["c"]),
        (["a", "b", "c"], ["b", "c", "d", "e"], ["d", "e"]),
        (["a", "b"], ["x", "y"], ["x", "y"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (["a"], [], []),
    ],
)
def test_new_lines_are_those_after_the_known_ones(before: list[str], now: list[str], new: list[str]) -> None:
    assert new_lines(before, now) == new


def test_last_words_are_those_before_the_verdict_and_harmless() -> None:
    lines = [f"line {number}" for number in range(30)] + ["bad \x1b[2J"]
    after = [f"edge-sdk gate: line: {NEW.id} is given up: it crashes", "the version before speaks"]
    words = last_words([*lines, *after], NEW.id)
    assert len(words) == LAST_LINES
    assert words[-2] == "line 29"
    assert "\x1b" not in words[-1]
    assert last_words(lines, NEW.id)[-2:] == words[-2:]
