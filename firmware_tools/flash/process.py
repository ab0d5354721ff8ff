"""A program on the other side: pipes with a limit on every wait and every byte, and its last words.

The program may be hostile, hang, or be cut off at any moment; nothing here waits or allocates without an end.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from edge_sdk.errors import MissingExtraError, TransferError
from edge_sdk.units import printable

CHUNK_BYTES = 1 << 16
WORDS_BYTES = 8192
WORDS_LINES = 4
#: For a program that was told to end: until it is killed.
PATIENCE_S = 5.0


class Silence(Exception):  # noqa: N818 - a signal to the caller, who knows what was waited for
    """Nothing came, or nothing was taken, for as long as was to be waited."""


def start(argv: Sequence[str], missing: str = "") -> subprocess.Popen[bytes]:
    """Start a program with three pipes, out of reach of the terminal's Ctrl-C: who started it closes its pipe.

    Args:
        argv: the program and its arguments.
        missing: the command that installs it.

    Raises:
        MissingExtraError: it is not installed.
        TransferError: it cannot be started.
    """
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(argv, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except FileNotFoundError:
        raise MissingExtraError(f"{argv[0]} is not installed", hint=missing) from None
    except OSError as fault:
        raise TransferError(f"{argv[0]}: cannot be started: {fault.strerror}") from fault


class Program:
    """A running program that is spoken to. `with` ends it.

    with Program(start(["sh", "-s"])) as shell:
        shell.write(b"echo hello", 5)
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("expected a process with three pipes")
        self._process = process
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._words = bytearray()
        self._drain = threading.Thread(target=self._read_words, args=(process.stderr.fileno(),), daemon=True)
        self._drain.start()

    def read(self, limit_s: float) -> bytes:
        """Return what there is; b"" at the end.

        Raises:
            Silence: nothing came.
        """
        if not select.select([self._out], [], [], max(0.0, limit_s))[0]:
            raise Silence
        try:
            return os.read(self._out, CHUNK_BYTES)
        except BlockingIOError:
            raise Silence from None
        except OSError:
            return b""

    def write(self, data: bytes, limit_s: float) -> None:
        """Write everything.

        Args:
            data: what.
            limit_s: how long nothing at all may be taken.

        Raises:
            Silence: nothing was taken.
            BrokenPipeError: the program has ended or closed its input.
        """
        left = memoryview(data)
        while left:
            if not select.select([], [self._in], [], limit_s)[1]:
                raise Silence
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._in, left) :]

    def end_input(self) -> None:
        """Tell the program that nothing more comes."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def wait(self, limit_s: float) -> int | None:
        """Return the exit code, None while it runs on."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None

    def complaint(self) -> str:
        """Return the end of what it has written to its standard error, fit for a terminal."""
        self._drain.join(1.0)
        return printable(bytes(self._words[-WORDS_BYTES:]).decode("utf-8", "replace").replace("\r", "\n"))

    def close(self, patience_s: float = PATIENCE_S) -> None:
        """Close the pipes; who does not end by that in time is ended."""
        self.end_input()
        for end in (self._process.terminate, self._process.kill):
            if self.wait(patience_s) is not None:
                break
            end()
        self.wait(PATIENCE_S)
        self._drain.join(1.0)
        for pipe in (self._process.stdout, self._process.stderr):
            # A child of the program may hold its standard error open; its reader must not lose the number under it.
            if pipe is not None and (pipe is not self._process.stderr or not self._drain.is_alive()):
                pipe.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_words(self, handle: int) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(handle, CHUNK_BYTES):
                self._words += data
                del self._words[:-WORDS_BYTES]


def last_words(complaint: str) -> str:
    """Return the last lines of a complaint as one."""
    lines = [line.strip() for line in complaint.split("\n") if line.strip()]
    return " / ".join(line[:300] for line in lines[-WORDS_LINES:])


class Answer:
    """What a program that was asked once has said.

    Attributes:
        code: how it ended, None if it had to be ended.
        output: all it has written, up to the limit.
        complaint: the end of its standard error.
    """

    def __init__(self, code: int | None, output: bytes, complaint: str) -> None:
        self.code = code
        self.output = output
        self.complaint = complaint


def ask(
    process: subprocess.Popen[bytes],
    question: bytes,
    *,
    limit_s: float,
    most_bytes: int,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Give a program its input and return its output.

    Raises:
        Silence: it has not ended in time.
    """
    until_s, output, code = clock() + limit_s, bytearray(), None
    program = Program(process)
    try:
        with contextlib.suppress(BrokenPipeError):
            program.write(question, limit_s)
        program.end_input()
        while (data := program.read(until_s - clock())) and len(output) <= most_bytes:
            output += data
        if not data:
            code = program.wait(max(0.1, until_s - clock()))
        return Answer(code, bytes(output), program.complaint())
    finally:
        program.close(0.2)
