"""SIGKILL and dropped connections over SSH, on a gateway with a running service; the campaign has hundreds of these."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.target.flashing import flash
from tests.target.killing import Moment, Tally, Victim, kill_round
from tests.target.releases import Releases, drop_round
from tests.target.wire import Wire

SEED = 2


@pytest.mark.parametrize(
    ("victim", "moment"),
    [
        ("operator", Moment("begin", "put")),
        ("operator", Moment("end", "activate")),
        ("receiver", Moment("begin", "build")),
        ("receiver", Moment("begin", "gate")),
        ("machine", Moment("end", "activate")),
    ],
    ids=str,
)
def test_killed_at(plain_releases: Releases, victim: Victim, moment: Moment) -> None:
    releases, tally = plain_releases, Tally()
    releases.make(wheels=moment.step == "put")
    kill_round(releases.place, releases.app, releases.known, moment, victim, tally)
    assert tally.mistakes == []
    assert tally.in_time
    releases.confirmed()


@pytest.fixture(scope="module")
def wired(plain_releases: Releases) -> Iterator[tuple[Releases, Wire]]:
    """The same gateway, reached through a wire."""
    with Wire(plain_releases.gateway) as wire, plain_releases.through(wire) as releases:
        yield releases, wire


def test_the_connection_drops_at_random_bytes(wired: tuple[Releases, Wire]) -> None:
    releases, wire = wired
    tally, rng = Tally(), random.Random(SEED)
    for most in (8_000, 60_000):
        releases.make()
        drop_round(releases.place, releases.app, releases.known, wire, rng.randrange(1, most), tally)
        releases.confirmed()
    assert tally.mistakes == []
    assert tally.in_time


def test_a_second_deploy_with_one_model_changed_sends_little_more_than_the_model(wired: tuple[Releases, Wire]) -> None:
    """All bytes on the wire count: SSH's own, the receiver that is sent, every message, in both directions."""
    releases, wire = wired
    first = releases.make(base=releases.app.large_model(1))
    assert flash(releases.app, first.path, *releases.place.words).code == 0
    releases.confirmed()
    second = releases.make(base=releases.app.large_model(2))
    changed = sum(len(data) for path, data in second.files.items() if first.files[path] != data)
    assert changed > 1_500_000
    before = wire.passed
    assert flash(releases.app, second.path, *releases.place.words).code == 0
    sent = wire.passed - before
    assert sent <= 1.1 * changed, f"{sent:,} bytes for {changed:,} that changed"
    releases.confirmed()
