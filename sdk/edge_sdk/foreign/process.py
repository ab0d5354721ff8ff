"""One child process: started with nothing it does not need, watched while it answers, and always reaped.

It gets no working folder on its path, no secrets in its environment, a session of its own, and seven descriptors. What
it prints goes into a pipe that it cannot block on; the last words explain a death.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from edge_sdk.engines import ForeignEngine
from edge_sdk.errors import TransferError, UsageError
from edge_sdk.foreign import wire
from edge_sdk.units import printable

PROGRAM = Path(__file__).with_name("program.py")
#: What a child may know of this process's environment: where libraries and files lie, and how to write texts.
PASSED = ("ADSP_LIBRARY_PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
#: numpy starts no threads for sums it never does; one arena of malloc counts once against the cap.
SET = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}
#: What a pipe holds (pipe(7)).
MAX_WORDS_BYTES = 64 * 1024
#: Of the last words, what an error message shows.
SHOWN_WORDS = 400
#: A process that was killed is gone within this time, unless it hangs in a driver.
REAP_S = 5.0
T = TypeVar("T")


@dataclass(frozen=True)
class Ran:
    """Runs of the model on the same inputs.

    Attributes:
        outputs: of the last one, fresh arrays.
        cpu_ns, wall_ns: of all of them, measured in the child: of its computing thread, and by the clock.
    """

    outputs: tuple[NDArray[Any], ...]
    cpu_ns: int
    wall_ns: int


def interpreter_of(engine: ForeignEngine) -> str:
    """Return the Python that runs the child: the one the engine's variable names, or this one.

    Raises:
        UsageError: the variable names something else.
    """
    named = os.environ.get(engine.python_variable, "")
    if not named:
        return sys.executable
    if not Path(named).is_absolute() or not os.access(named, os.X_OK) or Path(named).is_dir():
        raise UsageError(
            f"{engine.python_variable}={named}: expected the absolute path of a Python interpreter",
            hint=engine.missing_hint,
        )
    return named


def first_task(engine: ForeignEngine, python: str) -> dict[str, Any]:
    """Return what the child is told first: which runtime, and where to look for it.

    This interpreter looks where this process does, without the working folder; another one in its own places.
    """
    return {
        "module": engine.module,
        "distribution": engine.distribution,
        "numpy_below": engine.numpy_below,
        "path": [path for path in sys.path if path] if python == sys.executable else [],
        "probe": False,
    }


def sealed(data: bytes) -> int:
    """Return a descriptor of memory that holds `data` and that nobody can change.

    Raises:
        TransferError: there is no memory for it.
    """
    handle = os.memfd_create("model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, seals)
    except OSError as error:
        os.close(handle)
        raise TransferError(f"a copy of the model ({len(data):,} bytes) cannot be kept: {error.strerror}") from error
    return handle


class Child:
    """A process that was started; its first answer says whether it can serve.

    Attributes:
        opened: that answer, once it came.
        started_s: monotonic.
    """

    def __init__(self, python: str, task: dict[str, Any], model: int) -> None:
        self.opened: wire.Opened | None = None
        self.started_s = time.monotonic()
        self._owner = os.getpid()
        self._words = b""
        theirs = []
        ours = []
        try:
            for write_end_is_ours in (True, False, True, False):  # ask, answer, life, words
                read_end, write_end = os.pipe()
                ours.append(write_end if write_end_is_ours else read_end)
                theirs.append(read_end if write_end_is_ours else write_end)
            for handle in (*ours, theirs[3]):
                os.set_blocking(handle, False)
            ask, answer, life, words = theirs
            self._process = self._start(python, (ask, answer, life, model), words)
        except BaseException:
            _close(*ours)
            raise
        finally:
            _close(*theirs)
        self._ask, self._answer, self._life, self._said = ours
        with suppress(wire.GoneError, wire.SilentError):  # whoever waits for the answer finds out
            wire.send(self._ask, task, (), self.started_s + 1)

    @staticmethod
    def _start(python: str, handles: tuple[int, ...], words: int) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in PASSED if name in os.environ} | SET
        return subprocess.Popen(
            [python, "-I", str(PROGRAM), *map(str, handles)],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=handles,
            env=environment,
            cwd="/",
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_ours(self) -> bool:
        """Whether this process started it; after a fork the other process may not speak to it as well."""
        return self._owner == os.getpid()

    def run(
        self,
        arrays: tuple[NDArray[Any], ...],
        dtypes: tuple[str, ...],
        room_bytes: int,
        until_s: float,
        *,
        anew: bool = False,
        times: int = 1,
    ) -> Ran | wire.Refused:
        """Let it run the model, `anew` without its memory of earlier runs. Raises as `wire.receive` does."""
        self._listen()
        self._words = b""  # what it said of earlier calls explains nothing
        wire.send(self._ask, wire.Run(anew, times), arrays, until_s)
        done = self.receive(wire.Done, until_s)
        if isinstance(done, wire.Refused):
            return done
        if len(done.outputs) != len(dtypes):
            raise wire.NonsenseError(f"{len(done.outputs)} outputs where {len(dtypes)} were promised")
        found = []
        for output, dtype in zip(done.outputs, dtypes, strict=True):
            array = wire.receive_array(self._answer, output, dtype, room_bytes, until_s)
            room_bytes -= array.nbytes
            found.append(array)
        return Ran(tuple(found), done.cpu_ns, done.wall_ns)

    def wait(self, until_s: float) -> None:
        """Wait for its next answer, without taking it. Raises as `wire.wait` does."""
        wire.wait(self._answer, until_s)

    def receive(self, kind: type[T], until_s: float) -> T | wire.Refused:
        """Return its next answer. Raises as `wire.receive` does."""
        try:
            return wire.receive(self._answer, kind, until_s)
        finally:
            self._listen()

    def end(self, patience_s: float = 0.0) -> str:
        """Reap it, and return how it died, with its last words; what still lives after `patience_s` is killed."""
        code = self._reap(patience_s)
        self._listen()
        _close(self._ask, self._answer, self._life, self._said)
        words = printable(self._words.decode("utf-8", "replace")).strip()
        return how_it_died(code) + (f"; it said: {words[-SHOWN_WORDS:]}" if words else "")

    def _reap(self, patience_s: float) -> int | None:
        """Return the exit code; None where we had to end it."""
        if not self.is_ours:
            return None
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(patience_s)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_S)
        return None

    def _listen(self) -> None:
        """Take what it printed: one pipe full, however fast it goes on. Words that do not fit are lost, never time."""
        with suppress(BlockingIOError):
            self._words = (self._words + os.read(self._said, MAX_WORDS_BYTES))[-MAX_WORDS_BYTES:]


def how_it_died(code: int | None) -> str:
    """Return a sentence for an exit code of `subprocess`; None: we ended it."""
    if code is None:
        return "its process was ended"
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        return f"its process died of {signal.Signals(-code).name}"
    except ValueError:
        return f"its process died of signal {-code}"


def _close(*handles: int) -> None:
    for handle in handles:
        with suppress(OSError):
            os.close(handle)
