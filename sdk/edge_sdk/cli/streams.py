"""Standard streams that a command survives: a pipeline must not stop because nobody takes its words any more.

stdout carries data, so an error there still ends the command; stderr carries words, which are dropped when the reader
is gone or the disk is full. Characters that a stream cannot encode are written as escapes on both.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any, TextIO, cast

from edge_sdk.units import printable


class LastingStream:
    """A text stream whose writes never raise; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: it was closed
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Words(logging.Formatter):
    """Log records outside a pipeline's own view look like all other words: `warning: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(f"{record.levelname.lower()}: {record.getMessage()}")


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Make the standard streams safe while a command runs."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - closed by the parent (`>&-`)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Words())
    with redirect_stderr(cast("TextIO", LastingStream(sys.stderr))):
        yield
