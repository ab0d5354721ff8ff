"""Results as lines of JSON (NDJSON) on standard output, for pipes and for people who look."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import IO

import msgspec

from edge_sdk.config import Where
from edge_sdk.publish.payload import encode
from edge_sdk.reading import Result


class StdoutOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The sink has no options."""


class StdoutSink:
    """The row `stdout` of SINKS. A reader that went away raises BrokenPipeError, which ends the pipeline."""

    Options = StdoutOptions

    def __init__(
        self, options: StdoutOptions, where: Where, pipeline: str, device: str, *, stream: IO[bytes] | None = None
    ) -> None:
        self._stream = stream
        self._lines = 0

    def open(self) -> None: ...

    def publish(self, result: Result) -> None:
        stream = self._stream or sys.stdout.buffer
        stream.write(encode(result) + b"\n")
        stream.flush()
        self._lines += 1

    def close(self) -> None: ...

    def counts(self) -> Mapping[str, int]:
        return {"delivered": self._lines, "waiting": 0}

    @property
    def state(self) -> str:
        return f"{self._lines} lines"
