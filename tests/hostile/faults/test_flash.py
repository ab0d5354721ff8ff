"""The Nth change on the device fails: the old or the new version is in force, whole, and flashing again completes.

Here a part of all N; `make campaign` goes over every one of them in every way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.faults.driver import count_calls, drive
from tests.hostile.faults.shim import ACTIONS, Action
from tests.target.checker import Unsealed
from tests.target.killing import FolderPlace
from tests.target.project import Project, memory_disk, project, tiny_wheel
from tests.target.releases import installed_folder

#: Rounds of each action; the first and the last call are always among them.
ROUNDS = 3


@pytest.fixture(scope="module")
def app() -> Project:
    return project()


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="edge-device-", dir=memory_disk()) as folder:
        yield Path(folder).resolve()


@pytest.fixture(scope="module")
def releases(app: Project, scratch: Path) -> list[Unsealed]:
    """The new one brings a wheel; neither has golden vectors, whose self-test takes a second each time."""
    wheels = tiny_wheel(scratch / "wheels")
    return [app.release("1.0.0", golden=[]), app.release("2.0.0", golden=[], wheels=wheels)]


@pytest.fixture(scope="module")
def updated(app: Project, releases: list[Unsealed], scratch: Path) -> tuple[FolderPlace, int]:
    place = installed_folder(app, releases[0], scratch)
    log = count_calls(place, app, releases[1], scratch)
    assert any(call == "rename" and path.endswith("/current") for call, path in log), log
    return place, len(log)


def spread(total: int, action: Action) -> list[int]:
    """Return ROUNDS numbers from 1 to total, others for each action."""
    shift = ACTIONS.index(action) / len(ACTIONS)
    middle = {1 + int((total - 1) * (step + shift) / ROUNDS) for step in range(ROUNDS)}
    return sorted({1, *middle, total})


@pytest.mark.parametrize("action", ACTIONS)
def test_an_update_whose_nth_change_fails_leaves_a_whole_version(
    app: Project, releases: list[Unsealed], updated: tuple[FolderPlace, int], action: Action, tmp_path: Path
) -> None:
    place, total = updated
    tally = drive(place, app, releases, action, spread(total, action), tmp_path)
    assert tally.mistakes == []
    assert tally.fired >= tally.rounds - 1  # not every run makes the last call
    assert tally.kept_old
    assert tally.took_new


def test_a_first_installation_whose_nth_change_fails_is_whole_or_nothing(
    app: Project, releases: list[Unsealed], scratch: Path, tmp_path: Path
) -> None:
    place = FolderPlace(scratch / "nothing", scratch / "empty")
    place.template.mkdir()
    total = len(count_calls(place, app, releases[0], tmp_path))
    tally = drive(place, app, releases[:1], "kill", spread(total, "kill"), tmp_path)
    assert tally.mistakes == []
    assert tally.fired >= tally.rounds - 1
