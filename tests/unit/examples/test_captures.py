"""The recordings of the project template are those that the simulator makes, so that anybody can make them again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support import REPOSITORY

TEMPLATE = REPOSITORY / "sdk/edge_sdk/templates/vibration"
#: What the last digits of another numpy may do to a rounded sample.
STEP_COUNTS = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captures")
    command = [sys.executable, str(REPOSITORY / "examples/bearing/captures.py"), str(folder)]
    subprocess.run(command, check=True, timeout=60)
    return folder


def test_the_committed_recordings_are_made_by_the_script(made: Path) -> None:
    names = sorted(path.name for path in made.iterdir())
    assert names == sorted(path.name for path in (TEMPLATE / "captures").iterdir())
    for name in names:
        ours, again = np.load(TEMPLATE / "captures" / name)["radial"], np.load(made / name)["radial"]
        assert ours.dtype == again.dtype == np.int16
        assert np.abs(ours.astype(int) - again).max() <= STEP_COUNTS


def test_the_demo_and_the_template_share_one_model() -> None:
    link = REPOSITORY / "examples/demo/motor.tflite"
    assert link.is_symlink()
    assert link.resolve() == (TEMPLATE / "models/motor.tflite").resolve()
