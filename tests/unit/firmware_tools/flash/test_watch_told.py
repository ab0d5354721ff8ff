from __future__ import annotations

import io
import json
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from firmware_tools.flash.plan import Plan, Step
from firmware_tools.flash.trial_round import News
from firmware_tools.flash.watch_told import FIGURES_EVERY_S, MOST_LINES, JsonTold, PeopleTold, Sending, note
from tests.unit.firmware_tools.flash.test_trial_round import BEFORE

PUT = Step("put:1", "put", "safe", "send models/m.wasm", {}, 2_000_000)
SITE = Step("site", "site", "safe", "unpack 9 Python packages", {}, 0)
CHECK = Step("check", "check", "safe", "let the device check", {}, 0)


def plan(*steps: Step, notes: tuple[str, ...] = ()) -> Plan:
    return Plan("fake", "", "line", "1.0.0", "1.0.0-aa", "", sum(one.bytes for one in steps), notes, steps)


def people(*, terminal: bool = False) -> tuple[PeopleTold, io.StringIO]:
    stream = io.StringIO()
    return PeopleTold(Console(file=stream, force_terminal=terminal, width=100, markup=False, highlight=False)), stream


def as_json() -> tuple[JsonTold, io.StringIO]:
    stream = io.StringIO()
    return JsonTold(stream), stream


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_programs_get_one_object_per_line() -> None:
    told, stream = as_json()
    told.news(News("healthy", "  healthy", {"seconds": 3.1}))
    told.lines(["a", "b"])
    told.figures(BEFORE, 0.0)
    told.events.end(CHECK, 0.5)
    found = events(stream)
    assert found[:3] == [
        {"event": "healthy", "seconds": 3.1},
        {"event": "log", "line": "a"},
        {"event": "log", "line": "b"},
    ]
    assert (found[3]["event"], found[3]["results"]) == ("status", 500)
    assert found[4] == {"event": "end", "step": "check", "seconds": 0.5}


def test_people_get_the_words_and_a_harmless_log() -> None:
    told, stream = people()
    told.news(News("sent", "  sent after 0.4 s\n  more"))
    told.news(News("connected", ""))
    told.lines(["\x1b[2Jboom", *(f"line {number}" for number in range(MOST_LINES))])
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["  sent after 0.4 s", "  more", "  | ... 1 lines more"]
    assert lines[-1] == f"  | line {MOST_LINES - 1}"
    assert "\x1b" not in stream.getvalue()


def test_figures_come_now_and_then_without_a_terminal() -> None:
    told, stream = people()
    for second in range(int(2 * FIGURES_EVERY_S)):
        told.figures(BEFORE, float(second))
    assert (
        stream.getvalue().splitlines()
        == ["  healthy; 500 results, 500 delivered, 0 waiting, p99 1.0 ms, 60 MiB, process 10"] * 2
    )


def test_on_a_terminal_figures_are_one_line_that_makes_room_for_words() -> None:
    told, stream = people(terminal=True)
    told.figures(replace(BEFORE, results=1), 0.0)
    told.figures(replace(BEFORE, results=2), 1.0)
    told.news(note("a word"))
    shown = [part.strip() for part in stream.getvalue().replace("\n", "\r").split("\r") if part.strip()]
    assert [part[:18] for part in shown] == ["healthy; 1 results", "healthy; 2 results", "a word"]
    assert stream.getvalue().count("\n") == 1


def test_sending_a_change_is_told_in_one_line() -> None:
    told, stream = people()
    sending = Sending(told)
    sending.plan(plan(CHECK, PUT))
    for step in (CHECK, PUT):
        sending.begin(step)
        sending.end(step, 0.01)
    assert stream.getvalue() == ""
    news = sending.sent(0.42)
    assert news.text == "  sent after 420.0 ms: 1 file, 1.9 MiB"
    assert (news.fields["bytes"], news.fields["files"], news.fields["slot"]) == (2_000_000, 1, "1.0.0-aa")
    assert news.fields["steps"] == {"check": 0.01, "put:1": 0.01}


def test_a_step_that_takes_long_and_a_large_first_round_are_spoken_of() -> None:
    told, stream = people()
    sending = Sending(told)
    sending.plan(plan(PUT, SITE, notes=("version 2 is on trial there and is given up for this",)))
    sending.begin(SITE)
    sending.end(SITE, 4.2)
    said = stream.getvalue()
    assert "is given up for this" in said
    assert "its packages are not there yet" in said
    assert "unpack 9 Python packages (4.2 s)" in said


@pytest.mark.parametrize("kind", ["begin", "plan", "end"])
def test_programs_hear_every_step(kind: str) -> None:
    told, stream = as_json()
    sending = Sending(told)
    sending.plan(plan(CHECK))
    sending.begin(CHECK)
    sending.end(CHECK, 0.01)
    assert [one["event"] for one in events(stream)].count(kind) == 1
