"""SIGKILL of a flash into a folder, at every step and at random moments: always the old or the new version, whole."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.target.checker import Unsealed
from tests.target.flashing import flash
from tests.target.killing import (
    FolderPlace,
    Moment,
    Tally,
    Victim,
    in_parallel,
    kill_round,
    random_moments,
    step_moments,
    timed,
)
from tests.target.project import Project, memory_disk, project
from tests.target.releases import installed_folder

ROUNDS = 8
SEED = 1


@pytest.fixture(scope="module")
def app() -> Project:
    return project()


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="edge-device-", dir=memory_disk()) as folder:
        yield Path(folder).resolve()


@pytest.fixture(scope="module")
def releases(app: Project) -> list[Unsealed]:
    return [app.release("1.0.0", golden=[]), app.release("2.0.0", golden=[])]  # each self-test takes a second


@pytest.fixture(scope="module")
def place(app: Project, releases: list[Unsealed], scratch: Path) -> FolderPlace:
    return installed_folder(app, releases[0], scratch)


def rounds(app: Project, releases: list[Unsealed], place: FolderPlace, moments: list[tuple[Moment, Victim]]) -> Tally:
    tally = Tally()
    in_parallel(place, moments, lambda mine, one: kill_round(mine, app, releases, *one, tally))
    return tally


def test_killed_at_each_step(app: Project, releases: list[Unsealed], place: FolderPlace) -> None:
    """The operator at the beginning of one step, the device's side at the next; the campaign does all of both."""
    place.restore()
    ended = flash(app, releases[1].path, *place.words)
    assert ended.code == 0, ended
    assert {"lock", "build", "verify", "activate"} <= set(ended.steps)
    begins = [moment for moment in step_moments(ended) if moment.event == "begin"]
    victims: tuple[Victim, Victim] = ("operator", "receiver")
    tally = rounds(app, releases, place, [(moment, victims[n % 2]) for n, moment in enumerate(begins)])
    assert tally.mistakes == []
    assert tally.in_time == tally.rounds
    assert tally.kept_old


def test_killed_at_random_moments(app: Project, releases: list[Unsealed], place: FolderPlace) -> None:
    place.restore()
    ended, longest_s = timed(lambda: flash(app, releases[1].path, *place.words))
    assert ended.code == 0, ended
    moments = list(random_moments(random.Random(SEED), ROUNDS, longest_s))
    tally = rounds(app, releases, place, [(moment, "operator") for moment in moments])
    assert tally.mistakes == []


def test_the_checker_sees_a_mixture(app: Project, releases: list[Unsealed], place: FolderPlace, tmp_path: Path) -> None:
    """What is checked above can fail: one byte, one file, one link."""
    from tests.target.checker import look
    from tests.target.project import NAME

    place.restore()
    slot = place.root / f"opt/edge-sdk/apps/{NAME}/slots/{releases[0].slot}"
    assert look(place.root, NAME, releases).mistakes == []
    model = slot / "models/score.wasm"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    (slot / "more").write_bytes(b"")
    (slot / "pipeline.toml").unlink()
    said = " ".join(look(place.root, NAME, releases).mistakes)
    assert "score.wasm differs" in said
    assert "more is in no bundle" in said
    assert "pipeline.toml is missing" in said
