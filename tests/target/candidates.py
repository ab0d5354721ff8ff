"""What must be true after a version that is not well: the device went back alone, runs the old one, and says why."""

from __future__ import annotations

import re

from tests.target.checker import look
from tests.target.flashing import flash
from tests.target.processes import application, until
from tests.target.project import NAME
from tests.target.releases import Releases

#: Illness -> (seconds to become healthy, pattern of the reason). A hang and silence take all of them; systemd waits
#: for a word of the one that hangs, and the kernel ends the hungry one before anybody can measure it.
EXPECTED = {
    "crashes": (20, "started 3 times"),
    "hangs": (6, "does not run|no report"),
    "hungry": (20, "MiB|started 3 times.*signal|oom"),
    "silent": (6, "accel"),
}


def goes_back(releases: Releases, illness: str) -> None:
    """Flash a version with this illness and assert all of it."""
    gate_s, reason = EXPECTED[illness]
    health = {**releases.app.health, "gate_s": gate_s, "hold_s": 1}
    new = releases.make(illness=illness, health=health)
    ended = flash(releases.app, new.path, *releases.place.words)
    assert ended.code == 9, ended
    assert ended.result["outcome"] == "reverted", ended
    assert re.search(reason, ended.err), ended
    went_back(releases, reason)


def went_back(releases: Releases, reason: str) -> None:
    """Assert that the version before is in force, whole and alive, and that `status` says why the last one is not."""
    old, new = releases.known[-2:]
    found = look(releases.gateway.path("/"), NAME, releases.known)
    assert found.mistakes == []
    assert found.current == found.wanted == old.slot
    until(lambda: application(releases.gateway), "the old version runs again")
    assert {process.cwd.rpartition("/")[2] for process in application(releases.gateway)} == {old.slot}
    status = releases.status()
    assert status["confirmed"]["id"] == old.slot
    assert status["failures"][-1]["slot"] == new.slot
    assert re.search(reason, status["failures"][-1]["reason"]), status["failures"][-1]
    releases.given_up()
