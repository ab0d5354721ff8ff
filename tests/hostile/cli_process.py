"""Runs the real `edge-sdk` command for test_cli.py, and says what a clean end looks like.

The rows of all tables are started together, a few at a time, when the first of them is asked for: most of their time
is the start of Python and waiting.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT_S = 45.0
WORKERS = 5
#: Address space that a small gateway's service may be held to.
ADDRESS_SPACE_KIB = 2 << 20


def program() -> str:
    """Return the installed command of the Python that runs the tests."""
    beside = Path(sys.executable).with_name("edge-sdk")
    found = str(beside) if beside.exists() else shutil.which("edge-sdk")
    assert found, "edge-sdk is not installed in this environment"
    return found


@dataclass(frozen=True)
class Done:
    """How a command ended; `code` is negative after a signal."""

    argv: tuple[str, ...]
    code: int
    out: bytes
    err: str

    def __str__(self) -> str:
        return f"{' '.join(self.argv)}\n-> {self.code}\n{self.err[-1500:]}\nstdout: {self.out[:300]!r}"


@dataclass(frozen=True)
class Bench:
    """A folder full of bad files, and a way to run commands in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *argv: str, **changes: str) -> subprocess.Popen[bytes]:
        """Start a command; both streams are pipes, and `changes` are environment variables."""
        return subprocess.Popen(
            [program(), *argv],
            cwd=self.folder,
            env=self.environment | changes,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *argv: str, **changes: str) -> Done:
        return finish(self.start(*argv, **changes))

    def shell(self, script: str, **changes: str) -> Done:
        """Run a shell script in which `$EDGE` is the command."""
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment | {"EDGE": program()} | changes,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        return finish(process)


def finish(process: subprocess.Popen[bytes], timeout_s: float = TIMEOUT_S) -> Done:
    """Wait for the end of a command; a hang fails."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hangs: {process.args}\n{err.decode(errors='replace')[-1500:]}") from None
    argv = [os.fsdecode(word) for word in process.args]  # type: ignore[union-attr]
    return Done(tuple(argv), process.returncode, out, err.decode(errors="replace"))


def assert_clean(done: Done) -> None:
    """No traceback, no internal bug, no death by a signal, no page of text."""
    assert done.code >= 0, f"ended by signal {-done.code}: {done}"
    assert done.code != 1, f"internal bug: {done}"
    assert "Traceback" not in done.err, done
    assert "internal bug" not in done.err, done
    assert len(done.err) < 4000, done


def assert_refused(done: Done, code: int, *words: str) -> None:
    """One error with these words, this exit code, and nothing on stdout."""
    assert_clean(done)
    assert done.code == code, done
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done
    for word in words:
        assert word in done.err, f"{word!r} is not said: {done}"
    assert done.out == b"", done


class Pool:
    """Runs thunks a few at a time; each is known by its name."""

    def __init__(self, work: Iterable[tuple[str, Callable[[], Any]]]) -> None:
        self._pool = ThreadPoolExecutor(WORKERS)
        self._found: dict[str, Future[Any]] = {name: self._pool.submit(thunk) for name, thunk in work}

    def result(self, name: str) -> Any:
        return self._found[name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def names(rows: Sequence[Any]) -> list[str]:
    """Return the ids of a table's rows, which must differ."""
    found = [row.name for row in rows]
    assert len(set(found)) == len(found), "two rows have one name"
    return found
