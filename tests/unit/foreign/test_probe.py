from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from edge_sdk.errors import EngineFaultError, MissingExtraError, UsageError
from edge_sdk.foreign.probe import installed_version
from tests.unit.foreign.fakes import FAKE


def test_a_runtime_that_is_there_says_its_version(fake_runtime: None) -> None:
    handles = len(os.listdir("/proc/self/fd"))
    assert installed_version(FAKE) == "1.5"
    assert len(os.listdir("/proc/self/fd")) == handles


def test_one_that_is_not_there_is_missed_without_starting_anything() -> None:
    with pytest.raises(MissingExtraError, match="fake-runtime is not installed") as caught:
        installed_version(FAKE)
    assert "pip install" in caught.value.hint


def test_an_environment_of_its_own_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAKE.python_variable, sys.executable)
    with pytest.raises(MissingExtraError, match="No module named 'fake_runtime'"):
        installed_version(FAKE)
    monkeypatch.setenv(FAKE.python_variable, "/bin/false")
    with pytest.raises(EngineFaultError, match="fake-runtime cannot be imported: its process ended with exit code 1"):
        installed_version(FAKE)
    monkeypatch.setenv(FAKE.python_variable, "python")
    with pytest.raises(UsageError):
        installed_version(FAKE)


def test_what_it_cannot_work_with_is_said(fake_runtime: None) -> None:
    with pytest.raises(MissingExtraError, match="needs numpy below 1"):
        installed_version(replace(FAKE, numpy_below=1))
