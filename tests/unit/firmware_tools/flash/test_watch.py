"""The loop, with a project and a device that are made up, and a clock that only moves when it waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edge_sdk.errors import BusyError, ConfigError, EdgeError, HealthGateError, TransferError
from firmware_tools.bundle import Bundle
from firmware_tools.bundle.draft import Draft
from firmware_tools.bundle.workshop import Signature
from firmware_tools.bundle.writer import Content, entries_of
from firmware_tools.flash.events import Events
from firmware_tools.flash.plan import Plan, Step
from firmware_tools.flash.saves import POLL_S, Saves
from firmware_tools.flash.trial_round import News
from firmware_tools.flash.watch import LOGS_S, Watch
from firmware_tools.update.messages import AppStatus, Slot
from firmware_tools.update.state import Failure
from tests.unit.firmware_tools.bundles import manifest_of
from tests.unit.firmware_tools.flash.fake_target import Recorder
from tests.unit.firmware_tools.flash.test_trial_round import BEFORE

PIPELINE = Path("pipeline.toml")


class Ended(Exception):
    """The test has seen enough."""


@dataclass
class World:
    """A project on one side, a device on the other, and what was told in between.

    Attributes:
        text: of the pipeline; one with "mistake" in it cannot be built.
        story: what happens at which second.
        judged_s: how long the device judges.
        ill: texts of versions that the device gives up.
        broken: whether the connection is; `refusal`: what the device says to the next version.
    """

    text: str = "one"
    written: int = 1
    now_s: float = 1000.0
    story: dict[float, Callable[[], object]] = field(default_factory=dict)
    judged_s: float = 2.0
    ill: set[str] = field(default_factory=set)
    broken: bool = False
    refusal: EdgeError | None = None
    told: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    built: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    status_now: AppStatus = BEFORE
    before: AppStatus = BEFORE
    trial_s: float | None = None
    trial_text: str = ""
    log: list[str] = field(default_factory=list)
    name: str = "line"
    target: str = "root@fake"
    events: Events = field(default_factory=Recorder)

    # -- time

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        for due_s in sorted(self.story):
            if due_s <= self.now_s - 1000:
                self.story.pop(due_s)()
        if not self.story and self.now_s > 1060:
            raise AssertionError("nothing happens any more")

    # -- the project

    def save(self, text: str) -> None:
        self.text, self.written = text, self.written + 1

    def look(self, path: Path) -> Signature | None:
        return (self.written, 0, 0, 0)

    def files(self) -> Sequence[Path]:
        return [PIPELINE]

    def build(self, counter: int) -> Bundle:
        if "mistake" in self.text:
            raise ConfigError("pipeline.toml: steps[0].size: expected a number", hint="edge-sdk run --check")
        self.built.append(counter)
        contents = [Content("pipeline.toml", "pipeline", self.text.encode())]
        manifest = replace(manifest_of({}), name=self.name, counter=counter, files=entries_of(contents))
        return Draft(manifest, contents, [])

    # -- the device

    def newest(self) -> int:
        return 7

    def seen(self) -> AppStatus | None:
        return self.before

    def send(self, bundle: Bundle, events: Events) -> None:
        self.call("send")
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal
        slot = f"1.0.0-{bundle.manifest_sha256[:12]}"
        events.plan(Plan("fake", "", self.name, "1.0.0", slot, "", 9, (), (Step("put:1", "put", "safe", "", {}, 9),)))
        new = Slot(slot, "1.0.0", bundle.manifest.counter, bundle.manifest_sha256)
        self.trial_s, self.trial_text, self.before = self.now_s, self.text, self.status_now
        self.status_now = replace(
            self.status_now, trial=new, current=slot, attempts=1, pid=self.status_now.pid + 1, results=0, phase="trial"
        )
        self.log.append(f"{self.text} begins")

    def status(self) -> AppStatus | None:
        self.call("status")
        now = self.status_now
        if now.trial is not None and self.trial_s is not None and self.now_s >= self.trial_s + self.judged_s:
            now = replace(now, trial=None, phase="running", attempts=0)
            if self.trial_text in self.ill:
                failure = Failure(self.status_now.trial.id if self.status_now.trial else "", "exit code 3", 1, "2026")
                good = now.confirmed.id if now.confirmed is not None else ""
                now = replace(now, current=good, failures=(failure,), pid=now.pid + 1)
                self.log += ["Traceback: boom", f"edge-sdk gate: {failure.slot} is given up: exit code 3", "old again"]
            else:
                now = replace(now, confirmed=self.status_now.trial, previous=now.confirmed)
            self.status_now = now
        elif now.trial is not None and self.trial_s is not None and self.now_s >= self.trial_s + 0.5:
            self.status_now = now = replace(now, results=now.results + 1)
        return now

    def logs(self, lines: int) -> list[str]:
        self.call("logs")
        return self.log[-lines:]

    def tidy(self) -> None:
        self.call("tidy")

    def connect(self, *, lock: bool = True) -> None:
        self.call("connect" if lock else "look again")

    def call(self, word: str) -> None:
        self.calls.append(word)
        if self.broken:
            raise TransferError("the connection was lost")

    # -- what is told

    def news(self, news: News) -> None:
        self.told.append((news.event, news.fields, news.text))

    def lines(self, lines: Sequence[str]) -> None:
        self.told += [("log", {}, line) for line in lines]

    def figures(self, status: AppStatus, now_s: float) -> None:
        self.told.append(("status", {}, ""))

    @property
    def words(self) -> list[str]:
        """The events, without what comes every second."""
        return [event for event, _, _ in self.told if event not in ("status", "log")]

    def fields(self, event: str) -> dict[str, Any]:
        return next(fields for word, fields, _ in self.told if word == event)

    def watch(self, seconds: float, *, once: bool = False) -> Watch:
        """Watch until that second."""

        def end() -> None:
            raise Ended

        self.story[seconds] = end
        watch = Watch(
            self, self, self, once=once, saves=Saves(self.look), clock=self.clock, wall=lambda: 0.0, sleep=self.sleep
        )
        with pytest.raises(Ended):
            watch.run()
        return watch


GOOD = ["saved", "sent", "restarted", "results", "healthy"]


def test_the_first_version_is_sent_at_once_and_every_save_after_it() -> None:
    world = World()
    world.story = {5: lambda: world.save("two"), 10: lambda: world.save("three")}
    world.watch(15)
    assert world.words == GOOD * 3
    assert world.built == [8, 9, 10], "each newer than all before"
    assert world.calls.count("connect") == 0
    assert world.calls.count("tidy") == 3


def test_the_seconds_are_those_since_the_save() -> None:
    world = World()
    world.story = {5.04: lambda: world.save("two")}
    world.watch(10)
    told = {event: fields["seconds"] for event, fields, _ in world.told if "seconds" in fields}
    assert told["sent"] == pytest.approx(0.0, abs=0.01)
    assert told["results"] == pytest.approx(0.5, abs=2 * POLL_S)
    assert told["healthy"] == pytest.approx(world.judged_s, abs=0.5 + POLL_S)
    assert world.fields("sent")["bytes"] == 9


def test_a_burst_of_saves_is_one_round() -> None:
    world = World()
    world.story = {5 + number / 10: lambda: world.save(f"two {world.now_s}") for number in range(5)}
    world.watch(12)
    assert world.words == GOOD * 2


def test_a_mistake_is_told_at_once_and_nothing_is_sent() -> None:
    world = World()
    world.story = {5: lambda: world.save("mistake"), 8: lambda: world.save("mended")}
    world.watch(14)
    assert world.words == [*GOOD, "saved", "refused", *GOOD]
    fields = world.fields("refused")
    assert (fields["exit_code"], fields["error"]) == (3, "pipeline.toml: steps[0].size: expected a number")
    text = next(text for event, _, text in world.told if event == "refused")
    assert text.startswith("error: pipeline.toml: steps[0].size: expected a number\ntry: edge-sdk run --check\n")
    assert "runs on" in text
    assert world.calls.count("send") == 2


def test_a_save_that_changes_nothing_is_not_sent() -> None:
    world = World()
    world.story = {5: lambda: world.save("one")}
    world.watch(9)
    assert world.words == [*GOOD, "saved", "unchanged"]


def test_a_version_that_is_given_up_is_told_with_its_last_words_and_may_be_tried_again() -> None:
    world = World(ill={"two"})
    world.story = {5: lambda: world.save("two"), 10: lambda: world.save("two"), 15: lambda: world.save("three")}
    world.watch(20)
    bad = ["saved", "sent", "restarted", "results", "reverted"]
    assert world.words == [*GOOD, *bad, *bad, *GOOD]
    assert world.fields("reverted")["reason"] == "exit code 3"
    assert world.fields("reverted")["log"][-2:] == ["two begins", "Traceback: boom"]
    text = next(text for event, _, text in world.told if event == "reverted")
    assert "runs again" in text
    assert text.endswith("| two begins\n  | Traceback: boom")


def test_a_save_while_a_version_is_judged_replaces_it() -> None:
    world = World(judged_s=10)
    world.story = {1: lambda: world.save("two")}
    world.watch(14)
    assert world.words == ["saved", "sent", "restarted", "results", *GOOD]


def test_results_and_log_are_told_once_a_second_between_rounds() -> None:
    world = World()
    world.story = {5: lambda: world.log.append("five"), 6: lambda: world.log.extend(["six", "seven"])}
    world.watch(12)
    assert [text for event, _, text in world.told if event == "log"] == ["one begins", "five", "six", "seven"]
    figures = sum(event == "status" for event, _, _ in world.told)
    assert 12 - world.judged_s - 3 * LOGS_S <= figures <= 12


def test_a_lost_connection_is_told_once_and_made_again() -> None:
    world = World()
    world.story = {5: lambda: setattr(world, "broken", True), 15: lambda: setattr(world, "broken", False)}
    world.watch(20)
    assert world.words == [*GOOD, "lost", "connected"]
    assert 4 <= world.calls.count("connect") <= 6


def test_what_could_not_be_sent_is_sent_when_the_connection_is_back() -> None:
    world = World()
    world.story = {
        5: lambda: (setattr(world, "broken", True), world.save("two")),
        10: lambda: setattr(world, "broken", False),
    }
    world.watch(17)
    assert world.words == [*GOOD, "lost", "saved", "connected", *GOOD]


def test_a_device_that_refuses_a_version_keeps_the_connection() -> None:
    world = World()
    world.story = {
        5: lambda: (setattr(world, "refusal", BusyError("in maintenance")), world.save("two")),
        8: lambda: world.save("three"),
    }
    world.watch(14)
    assert world.words == [*GOOD, "saved", "refused", *GOOD]
    assert world.fields("refused")["exit_code"] == 21
    assert "connect" not in world.calls


def test_once_a_mistake_ends_it() -> None:
    world = World(text="mistake")
    with pytest.raises(ConfigError):
        Watch(world, world, world, once=True, saves=Saves(world.look), clock=world.clock, sleep=world.sleep).run()
    assert "send" not in world.calls


def test_once_a_version_that_is_given_up_ends_it() -> None:
    world = World(ill={"one"})
    with pytest.raises(HealthGateError, match="line was not healthy on root@fake: exit code 3"):
        Watch(world, world, world, once=True, saves=Saves(world.look), clock=world.clock, sleep=world.sleep).run()
    assert world.words[-1] == "reverted"


def test_once_saves_are_nothing() -> None:
    world = World()
    world.story = {5: lambda: world.save("two")}
    world.watch(9, once=True)
    assert world.words == GOOD


def test_it_ends_by_itself_after_the_time_it_was_given() -> None:
    world = World()
    watch = Watch(world, world, world, saves=Saves(world.look), clock=world.clock, sleep=world.sleep)
    watch.run(duration_s=5)
    assert world.now_s == pytest.approx(1005, abs=2 * POLL_S)


def test_at_the_end_it_says_what_runs_on() -> None:
    world = World()
    world.watch(8).farewell()
    assert world.words[-1] == "end"
    good = world.status_now.confirmed
    assert good is not None
    assert world.fields("end")["runs"] == good.id
    assert f"{good.id}, the last good version, runs on" in world.fields("end")["text"]
    assert world.calls[-2:] == ["look again", "status"], "no lock is taken to say good-bye"


def test_a_trial_under_way_is_left_to_the_device() -> None:
    world = World(judged_s=100)
    world.watch(2).farewell()
    fields = world.fields("end")
    assert world.status_now.trial is not None
    assert fields["trial"] == world.status_now.trial.id
    assert f"else {fields['runs']} runs again" in fields["text"]


def test_a_device_that_cannot_be_asked_any_more_decides_alone() -> None:
    world = World()
    watch = world.watch(2)
    world.broken = True
    watch.farewell()
    assert "it decides alone" in world.fields("end")["text"]
