from __future__ import annotations

import io
import itertools
import json
import os
from typing import Any

from rich.console import Console

from firmware_tools.flash.events import BAR_BYTES, JsonEvents, PeopleEvents, Rate, clean, summary
from firmware_tools.flash.plan import Step, plan_install
from tests.unit.firmware_tools.flash.test_plan import app, manifest, there, want

PUT = Step("put:aa", "put", "safe", "send models/m.wasm", {}, BAR_BYTES * 4)


def people(*, terminal: bool = False) -> tuple[PeopleEvents, io.StringIO]:
    stream = io.StringIO()
    return PeopleEvents(Console(file=stream, markup=False, force_terminal=terminal, width=100)), stream


def json_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_event_is_one_line_of_json() -> None:
    stream = io.StringIO()
    events = JsonEvents(stream)
    plan = plan_install(want(), there())
    events.plan(plan)
    events.begin(PUT)
    events.end(PUT, 1.23456)
    events.verdict(app(verdict="no results"))
    events.result({"outcome": "running"})
    lines = json_lines(stream)
    assert [line["event"] for line in lines] == ["plan", "begin", "end", "verdict", "result"]
    assert [step["id"] for step in lines[0]["steps"]] == [step.id for step in plan.steps]
    assert lines[2] == {"event": "end", "step": "put:aa", "seconds": 1.235}


def test_progress_has_a_rate_and_the_time_left_and_is_not_told_too_often() -> None:
    stream, ticks = io.StringIO(), itertools.count(step=0.02)
    events = JsonEvents(stream, lambda: next(ticks))
    for done in range(101):
        events.progress("put:aa", done, 100)
    lines = json_lines(stream)
    assert lines[0] == {"event": "progress", "phase": "put:aa", "done": 0, "total": 100, "rate": 0.0, "eta_s": None}
    assert lines[-1]["done"] == 100
    assert lines[-1]["eta_s"] == 0.0
    assert len(lines) < 30
    middle = lines[len(lines) // 2]
    assert abs(middle["rate"] - 50) < 2
    assert abs(middle["eta_s"] - (100 - middle["done"]) / 50) < 0.2


def test_a_reader_that_has_enough_does_not_stop_the_work() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        events = JsonEvents(stream)
        os.close(reading)
        events.note("nobody reads this")
        events.note("nor this")


def test_a_rate_counts_from_where_an_earlier_try_ended() -> None:
    assert Rate(50, 10.0).figures(70, 100, 12.0) == (10.0, 3.0)
    assert Rate(0, 10.0).figures(0, 100, 10.0) == (0.0, None)


def test_without_a_terminal_there_is_a_line_per_tenth() -> None:
    events, stream = people()
    events.begin(PUT)
    for done in [*range(0, PUT.bytes, PUT.bytes // 100), PUT.bytes]:
        events.progress(PUT.id, done, PUT.bytes)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[5] == "   50 % of 4.0 MiB: send models/m.wasm"


def test_on_a_terminal_there_is_a_bar_that_goes_again() -> None:
    events, stream = people(terminal=True)
    events.begin(PUT)
    events.progress(PUT.id, 0, PUT.bytes)
    events.progress(PUT.id, PUT.bytes // 2, PUT.bytes)
    events.end(PUT, 2.0)
    assert "send models/m.wasm" in stream.getvalue()
    assert "done  send models/m.wasm (2.0 s)" in stream.getvalue()


def test_small_files_have_no_progress() -> None:
    events, stream = people()
    events.progress("put:aa", 1, BAR_BYTES - 1)
    assert stream.getvalue() == ""


def test_texts_of_a_device_cannot_move_the_cursor() -> None:
    events, stream = people(terminal=True)
    events.note("a\x1b[2Jb\rc\u202ed\ne")
    assert "\x1b[2J" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()
    assert clean("x" * 9999) == "x" * 2000
    assert clean("a\nb") == "a b"


def test_a_summary_says_what_is_replaced_and_marks_the_steps_that_do() -> None:
    lines = summary(plan_install(want(manifest=manifest()), there(app=app())))
    assert lines[0] == "app 1.0.0 -> root@x (sim), in place of 0.9.0"
    assert "  ! switch to version 1.0.0" in lines
    assert lines[-1] == "  3 files, 1.5 KiB to send"
