"""The states of an application: whatever is asked in whatever order, something good stays known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_sdk.errors import ConfigError, UsageError
from firmware_tools.update.state import (
    KEPT_FAILURES,
    MOST_ATTEMPTS,
    State,
    attempt,
    begin,
    confirm,
    load_state,
    most_attempts,
    revert,
    roll_back,
    save_state,
)

UTC = "2026-01-01T00:00:00.000Z"
SLOTS = st.sampled_from(["1.0.0-aa", "1.0.1-bb", "1.1.0-cc", "2.0.0-dd"])


class Life(RuleBasedStateMachine):
    """Any order of events. `good` is what a person would say runs well."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.good = ""
        self.kept: set[str] = {""}
        self.starts = 0

    @rule(slot=SLOTS, kind=st.sampled_from(["update", "watch"]))
    def an_update_begins(self, slot: str, kind: str) -> None:
        self.kept.add(slot)
        self.state, self.starts = begin(self.state, slot, kind), 0  # type: ignore[arg-type]
        assert self.state.wanted == slot

    @rule()
    def it_starts(self) -> None:
        before = self.state
        self.state = attempt(before, UTC)
        self.starts += bool(self.state.trial)
        if before.trial and not self.state.trial:
            assert before.attempts == most_attempts(before)
            assert self.state.failures[-1].slot == before.trial

    @rule()
    def it_is_healthy(self) -> None:
        before, self.state = self.state, confirm(self.state)
        self.good = before.trial or self.good
        if before.trial and before.confirmed:
            assert self.state.previous == before.confirmed

    @rule()
    def it_is_ill(self) -> None:
        before, self.state = self.state, revert(self.state, "x" * 5000, UTC)
        if before.trial:
            assert self.state.failures[-1].slot == before.trial

    @precondition(lambda self: self.state.previous)
    @rule()
    def the_operator_goes_back(self) -> None:
        before = self.state
        self.state, self.starts = roll_back(before), 0
        assert self.state.wanted == before.previous

    @precondition(lambda self: not self.state.previous)
    @rule()
    def there_is_nothing_to_go_back_to(self) -> None:
        with pytest.raises(UsageError, match="no earlier version"):
            roll_back(self.state)

    @invariant()
    def the_good_version_is_lost_by_a_better_one_only(self) -> None:
        assert self.state.confirmed == self.good

    @invariant()
    def what_runs_is_kept(self) -> None:
        assert self.state.wanted in (self.state.confirmed, self.state.trial)
        assert {self.state.wanted, self.state.confirmed, self.state.previous} <= self.kept
        assert self.state.trial != self.state.confirmed or not self.state.trial

    @invariant()
    def nothing_is_tried_for_ever(self) -> None:
        assert self.state.attempts <= MOST_ATTEMPTS
        assert self.starts <= MOST_ATTEMPTS
        assert self.state.trial or not self.state.attempts

    @invariant()
    def the_state_stays_small(self) -> None:
        assert len(self.state.failures) <= KEPT_FAILURES
        assert all(len(one.reason) <= 1000 for one in self.state.failures)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    state = revert(begin(confirm(begin(State(), "1.0.0-aa")), "1.0.1-bb", tested=True, gate_s=9), "silent", UTC)
    save_state(tmp_path / "app/state.json", state)
    assert load_state(tmp_path / "app/state.json") == state
    assert load_state(tmp_path / "other/state.json") == State()


def test_a_state_of_an_older_and_of_a_newer_edge_sdk_can_be_read(tmp_path: Path) -> None:
    path, state = tmp_path / "state.json", State(confirmed="1.0.1-bb", previous="1.0.0-aa")
    save_state(path, state)
    known = json.loads(path.read_bytes())
    path.write_text(json.dumps(known | {"of_next_year": [1, 2]}))
    assert load_state(path) == state
    del known["hold_s"]
    path.write_text(json.dumps(known))
    assert load_state(path) == state
    path.write_text(json.dumps(known | {"schema": 2}))
    with pytest.raises(ConfigError, match="malformed"):
        load_state(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema":1}', "\0", '{"confirmed":"../../etc"}', "9" * 5000])
def test_of_a_damaged_state_nothing_is_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(ConfigError, match="malformed"):
        load_state(tmp_path / "state.json")
