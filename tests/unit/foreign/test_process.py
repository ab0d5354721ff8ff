from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from edge_sdk.errors import UsageError
from edge_sdk.foreign.process import PASSED, SET, how_it_died, interpreter_of, sealed
from tests.unit.foreign.fakes import FAKE, Open


def test_the_interpreter_is_this_one_unless_the_variable_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FAKE.python_variable, raising=False)
    assert interpreter_of(FAKE) == sys.executable
    monkeypatch.setenv(FAKE.python_variable, "/bin/sh")
    assert interpreter_of(FAKE) == "/bin/sh"


@pytest.mark.parametrize("word", ["python3", "/none/python", "/tmp", "/etc/passwd"])
def test_a_variable_that_names_no_interpreter_is_a_mistake(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAKE.python_variable, word)
    with pytest.raises(UsageError, match=f"EDGE_FAKE_PYTHON={word}: expected the absolute path"):
        interpreter_of(FAKE)


def test_a_sealed_model_cannot_be_changed() -> None:
    handle = sealed(b"model")
    with pytest.raises(PermissionError):
        os.write(handle, b"x")
    with pytest.raises(PermissionError):
        os.ftruncate(handle, 0)
    assert os.pread(handle, 10, 0) == b"model"
    os.close(handle)


def test_a_child_inherits_no_secrets(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "hush")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/vendor")
    session = opened()
    environment = Path(f"/proc/{session.pid}/environ").read_bytes().decode().split("\0")
    names = {line.partition("=")[0] for line in environment if line}
    assert names <= {*PASSED, *SET, "LC_CTYPE"}
    assert "LD_LIBRARY_PATH=/opt/vendor" in environment


def test_a_child_has_its_own_session_and_only_its_own_files(opened: Open, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        session = opened()
        links = {os.readlink(path) for path in Path(f"/proc/{session.pid}/fd").iterdir()}
    assert os.getsid(session.pid) == os.getpgid(session.pid) == session.pid
    assert not any("secret" in link for link in links)
    assert {link.partition(":")[0] for link in links} == {"pipe", "/dev/null", "/memfd"}


def test_a_child_does_not_dump_core(opened: Open) -> None:
    limits = Path(f"/proc/{opened().pid}/limits").read_text()
    assert "Max core file size        0                    0" in limits


@pytest.mark.parametrize("verb", ["", "hang", "hang natively"])
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_child_dies_with_its_parent_and_not_with_the_thread_that_started_it(
    fake_runtime: None, verb: str, in_thread: bool
) -> None:
    code = f"""
        import os, sys, threading
        sys.path.insert(0, {sys.path[0]!r})
        from tests.unit.foreign.fakes import FAKE, X, model
        from edge_sdk.foreign.session import open_foreign
        found = []
        open_ = lambda: found.append(open_foreign(model(run={verb!r}), FAKE, deadline_s=60))
        if {in_thread}:
            thread = threading.Thread(target=open_)
            thread.start(); thread.join()
        else:
            open_()
        assert os.path.exists(f"/proc/{{found[0].pid}}")
        threading.Thread(target=found[0].run, args=(X,), daemon=True).start()
        print(found[0].pid, flush=True)
        sys.stdin.read()
    """
    path = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    until_s = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < until_s:
        time.sleep(0.01)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Whether it runs; a process that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "its process was ended"),
        (3, "its process ended with exit code 3"),
        (-signal.SIGSEGV, "its process died of SIGSEGV"),
        (-63, "its process died of signal 63"),
    ],
)
def test_a_death_is_told_in_words(code: int | None, words: str) -> None:
    assert how_it_died(code) == words
