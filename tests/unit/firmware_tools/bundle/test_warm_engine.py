"""The process that waits for its commands, for real."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_sdk.errors import ConfigError, TargetNotFoundError
from firmware_tools.bundle import warm_engine
from firmware_tools.bundle.warm_engine import WarmEngine

GOOD = 'name = "x"\n[sources.a]\ntype = "replay"\nfile = "a.csv"\nrate_hz = 10\n'
STEPS = '[[steps]]\nid = "w"\nuse = "window"\ninput = "a"\nsize = 2\nhop = {hop}\n'


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmEngine]:
    with WarmEngine(tmp_path_factory.mktemp("waits")) as found:
        yield found


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("1\n2\n3\n")
    (tmp_path / "pipeline.toml").write_text(GOOD + STEPS.format(hop=1))
    return tmp_path


def check(engine: WarmEngine, slot: Path, **environment: str) -> None:
    engine("run", "pipeline.toml", "--check", folder=slot, environment=os.environ | environment)


def pid_of(engine: WarmEngine) -> int:
    assert engine._process is not None
    return engine._process.pid


def test_commands_run_in_their_folder_one_after_the_other_in_one_process(engine: WarmEngine, slot: Path) -> None:
    check(engine, slot)
    before = pid_of(engine)
    (slot / "pipeline.toml").write_text(GOOD + STEPS.format(hop='"x"'))
    with pytest.raises(ConfigError, match=r"^pipeline\.toml: steps\[0\]\.hop: "):
        check(engine, slot)
    (slot / "pipeline.toml").write_text(GOOD + STEPS.format(hop=1))
    check(engine, slot)
    assert pid_of(engine) == before


def test_a_command_has_its_own_environment_and_keeps_its_exit_code(engine: WarmEngine, slot: Path) -> None:
    text = (GOOD + STEPS.format(hop=1)).replace('"a.csv"', '"${env:THE_FILE}"')
    (slot / "pipeline.toml").write_text(text)
    check(engine, slot, THE_FILE="a.csv")
    with pytest.raises(TargetNotFoundError, match=r"other\.csv"):
        check(engine, slot, THE_FILE="other.csv")


def test_a_process_that_has_died_is_replaced(engine: WarmEngine, slot: Path) -> None:
    before = pid_of(engine)
    os.kill(before, signal.SIGKILL)
    check(engine, slot)
    check(engine, slot)
    assert pid_of(engine) != before


def test_where_nobody_can_wait_commands_run_all_the_same(
    tmp_path: Path, slot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_engine, "_COMMAND", ("/bin/false",))
    with WarmEngine(tmp_path) as engine:
        check(engine, slot)


def test_an_interrupted_command_leaves_no_answer_for_the_next(
    engine: WarmEngine, slot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("firmware_tools.bundle.warm_engine.select.select", interrupted)
        with pytest.raises(KeyboardInterrupt):
            check(engine, slot)
    (slot / "pipeline.toml").write_text("mistake")
    with pytest.raises(ConfigError):
        check(engine, slot)


def test_the_end_leaves_no_process(tmp_path: Path) -> None:
    engine = WarmEngine(tmp_path)
    pid = pid_of(engine)
    engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert threading.active_count() >= 1
