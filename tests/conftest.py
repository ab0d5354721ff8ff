"""What holds for every test: the user's own configuration and records are never touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the commands under test a home of their own for keys, hosts, journals and receipts."""
    names = {"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state"}
    before = {name: os.environ.get(name) for name in names}
    home = tmp_path_factory.mktemp("home")
    os.environ.update({name: str(home / folder) for name, folder in names.items()})
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the outbox of another."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state" / uuid4().hex))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
