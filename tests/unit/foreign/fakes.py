"""The fake runtime as an engine: a row like those of FOREIGN, and models that tell it how to behave."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.engines import ForeignEngine
from edge_sdk.foreign.session import ForeignSession, open_foreign

FAKE = ForeignEngine(
    name="fake",
    module="fake_runtime",
    distribution="fake-runtime",
    python_variable="EDGE_FAKE_PYTHON",
    install="pip install fake-runtime",
    extra="fake",
)
X = np.array([[1, 2, 3, 4]], np.float32)

Open = Callable[..., ForeignSession]


def install(folder: Path) -> None:
    """Put the fake runtime and its metadata into a folder."""
    shutil.copy(Path(__file__).with_name("fake_runtime.py"), folder)
    info = folder / "fake_runtime-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-runtime\nVersion: 1.5\n")


def model(**behaviour: Any) -> bytes:
    return json.dumps(behaviour).encode()


@pytest.fixture
def fake_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children find the fake runtime."""
    folder = tmp_path / "site"
    folder.mkdir()
    install(folder)
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def opened(fake_runtime: None) -> Iterator[Open]:
    """Return a function that opens a model of the fake runtime; all are closed afterwards."""
    sessions: list[ForeignSession] = []

    def open_(engine: ForeignEngine = FAKE, *, deadline_s: float = 20.0, **options: Any) -> ForeignSession:
        names = open_foreign.__kwdefaults__.keys()
        given = {name: options.pop(name) for name in names & options.keys()}
        session = open_foreign(model(**options), engine, deadline_s=deadline_s, **given)
        sessions.append(session)
        return session

    yield open_
    for session in sessions:
        session.close()
