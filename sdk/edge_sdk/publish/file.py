"""Results as lines of JSON in a file that is turned over before it grows too large: results.ndjson, results.ndjson.1.

A disk that is full or gone costs results, which are counted; the line goes on. A line that was cut short by a power cut
is ended before the next one begins.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_sdk.config import Where
from edge_sdk.publish.payload import encode
from edge_sdk.reading import Result

log = logging.getLogger(__name__)

RETRY_S = 1.0


class FileOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A file of results."""

    path: Annotated[str, Meta(min_length=1, description="of the file", examples=["results.ndjson"])]
    max_mib: Annotated[float, Meta(ge=0.001, le=1_000_000, description="size at which it is turned over")] = 64.0
    keep: Annotated[int, Meta(ge=0, le=1000, description="older files that stay")] = 4
    sync: Annotated[bool, Meta(description="sync each result to the disk before the next")] = False


class FileSink:
    """The row `file` of SINKS."""

    Options = FileOptions

    def __init__(self, options: FileOptions, where: Where, pipeline: str, device: str) -> None:
        self._options = options
        self._path = where.at("path").resolve(options.path)
        self._handle: int | None = None
        self._size_bytes = 0
        self._retry_s = 0.0
        self._problem = ""
        self._counts = {"delivered": 0, "dropped": 0}

    def open(self) -> None: ...

    def publish(self, result: Result) -> None:
        line = encode(result) + b"\n"
        try:
            self._write(line)
        except OSError as fault:
            self._counts["dropped"] += 1
            self._let_go()
            self._retry_s = time.monotonic() + RETRY_S
            if not self._problem:
                log.error("%s: not written: %s; results are lost until it works again", self._path, fault.strerror)
            self._problem = fault.strerror or str(fault)
            return
        if self._problem:
            log.warning("%s: works again; results lost: %d", self._path, self._counts["dropped"])
            self._problem = ""
        self._counts["delivered"] += 1

    def close(self) -> None:
        self._let_go()

    def counts(self) -> Mapping[str, int]:
        return {**self._counts, "waiting": 0}

    @property
    def state(self) -> str:
        if self._problem:
            return f"not written: {self._problem}"
        return f"{self._counts['delivered']} lines"

    def _write(self, line: bytes) -> None:
        if self._handle is None:
            if time.monotonic() < self._retry_s:
                raise OSError(0, self._problem)
            self._handle = self._opened()
        if self._size_bytes and self._size_bytes + len(line) > self._options.max_mib * 2**20:
            self._let_go()
            self._turn_over()
            self._handle = self._opened()
        written = os.write(self._handle, line)
        self._size_bytes += written
        if written < len(line):
            raise OSError(0, "the disk is full")
        if self._options.sync:
            os.fdatasync(self._handle)

    def _opened(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size_bytes = os.fstat(handle).st_size
        if self._size_bytes and os.pread(handle, 1, self._size_bytes - 1) != b"\n":
            self._size_bytes += os.write(handle, b"\n")
        return handle

    def _turn_over(self) -> None:
        for number in range(self._options.keep, 0, -1):
            younger = self._numbered(number - 1)
            if younger.exists():
                younger.replace(self._numbered(number))
        if not self._options.keep:
            self._path.unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):
                os.close(handle)
