"""What this machine remembers of a flash under way: a line, on the disk, before and after each step.

    {"run": "...", "at": "...", "state": "begin", "steps": ["lock", "put:..."], "slot": "1.2.0-..."}
    {"run": "...", "at": "...", "state": "step", "step": "lock"}
    {"run": "...", "at": "...", "state": "done", "step": "lock"}
    {"run": "...", "at": "...", "state": "end", "outcome": "running"}

The target needs none of it: every step may be done again. It tells a person that something was cut off and where, and
the lock on it keeps a second command for the same target and application off on this machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_sdk.errors import BusyError, TransferError
from edge_sdk.units import rfc3339, utc_now
from firmware_tools.sign import durable

MAX_BYTES = 4 << 20


def state_home(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder for what edge-sdk remembers of this user's work."""
    variables = os.environ if environment is None else environment
    base = variables.get("XDG_STATE_HOME", "")
    home = Path(variables.get("HOME") or Path.home())
    return (Path(base) if base.startswith("/") else home / ".local/state") / "edge-sdk"


def journal_folder(target: str, app: str, environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of one application on one target: readable, and different for different targets."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{target}-{app}").strip("-.")[:80]
    mark = hashlib.sha256(f"{target}\0{app}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return state_home(environment) / "flash" / f"{word}-{mark}"


class Journal:
    """The journal of one application on one target; `with` holds its lock.

    with Journal(journal_folder("root@10.0.0.7", "press-7")) as journal:
        journal.unfinished         # what an earlier run left, in one sentence, or ""
        journal.begin(slot, ids)
        journal.step("lock"); ...; journal.done("lock")
        journal.end("running")
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.ndjson"
        self.unfinished = ""
        self._handle = -1
        self._run = ""

    def begin(self, slot: str, steps: list[str]) -> None:
        """Start a run; what an ended one wrote is dropped."""
        with self._guarded():
            if not self.unfinished or os.fstat(self._handle).st_size > MAX_BYTES:
                os.ftruncate(self._handle, 0)
        self._run = os.urandom(8).hex()
        self._write("begin", slot=slot, steps=steps)

    def step(self, step: str) -> None:
        """Say that a step begins."""
        self._write("step", step=step)

    def done(self, step: str) -> None:
        """Say that it is done."""
        self._write("done", step=step)

    def end(self, outcome: str) -> None:
        """Say that nothing is left to do."""
        self._write("end", outcome=outcome)

    def __enter__(self) -> Journal:
        with self._guarded():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._handle = os.open(self.path, flags, 0o600)
            durable.sync_folder(self.path.parent)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.__exit__(None, None, None)
            raise BusyError(
                f"{self.path}: another command on this machine flashes the same application there", hint="wait for it"
            ) from None
        self.unfinished = unfinished(self._read())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def _read(self) -> str:
        with self._guarded():
            if not stat.S_ISREG(os.fstat(self._handle).st_mode):
                raise TransferError(f"{self.path}: is no regular file")
            size = os.fstat(self._handle).st_size
            return os.pread(self._handle, MAX_BYTES, max(0, size - MAX_BYTES)).decode("utf-8", "replace")

    def _write(self, state: str, **more: Any) -> None:
        line = {"run": self._run, "at": rfc3339(utc_now()), "state": state, **more}
        with self._guarded():
            data = json.dumps(line).encode() + b"\n"
            while data:
                data = data[os.write(self._handle, data) :]
            os.fsync(self._handle)

    def _guarded(self) -> _Guard:
        return _Guard(self.path)


class _Guard:
    """Turns OSError into our error that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, TransferError):
            raise durable.write_error(self._path, error) from error


def read_lines(text: str) -> list[dict[str, Any]]:
    """Return the lines of a journal; one that a crash cut short is left out."""
    lines = []
    for row in text.splitlines():
        try:
            line = json.loads(row)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def unfinished(text: str) -> str:
    """Return what the last run left undone in one sentence, "" where it ended."""
    lines = read_lines(text)
    if not lines or lines[-1].get("state") == "end":
        return ""
    run = lines[-1].get("run")
    mine = [line for line in lines if line.get("run") == run]
    begun = next((line for line in mine if line.get("state") == "begin"), {})
    steps = begun.get("steps")
    done = [line.get("step") for line in mine if line.get("state") == "done"]
    if all(step == "lock" for step in done):
        return ""  # nothing was changed
    total = len(steps) if isinstance(steps, list) else 0
    last = [line for line in mine if line.get("state") == "step"]
    where = f", in {last[-1].get('step')}" if last else ""
    what = f"{begun.get('slot', '?')}, begun at {begun.get('at', '?')}"
    return f"{what} and cut off after {len(done)} of {total} steps{where}"
