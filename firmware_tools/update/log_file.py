"""The log of an application under a plain init: two files of bounded size, the older one replaced whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from edge_sdk.errors import EdgeError
from firmware_tools.update.folders import make_folders

MOST_BYTES = 1 << 20


class LogFile:
    """A file that is appended to until it is full, and then becomes FILE.1.

    Writing never fails: a full disk must not stop the application.

    Args:
        most_bytes: of one file.
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._handle = -1
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append."""
        with suppress(OSError, EdgeError):
            if self._handle < 0:
                self._open()
            elif self._size + len(data) > self._most_bytes:
                self._turn()
            self._size += os.write(self._handle, data[: self._most_bytes])

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> None:
        make_folders(self._path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._handle = os.open(self._path, flags, 0o640)
        self._size = os.fstat(self._handle).st_size

    def _turn(self) -> None:
        self.close()
        os.replace(self._path, self._path.with_name(f"{self._path.name}.1"))
        self._open()
