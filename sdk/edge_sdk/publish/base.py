"""The contract of a publisher.

    sink.open()
    sink.publish(result)      # never blocks for long, never raises for a peer that is away
    sink.close()              # delivers what is queued, within the sink's own time limit

Plug-in classes take `(options, where, pipeline, device)` and have the struct `Options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edge_sdk.reading import Result


class Sink(Protocol):
    """Where results go."""

    def open(self) -> None: ...

    def publish(self, result: Result) -> None: ...

    def close(self) -> None: ...

    def counts(self) -> Mapping[str, int]:
        """Return what became of the results, by name, for people and for those who judge a pipeline.

        Every sink has `delivered` (the other side acknowledged it, or it was written where nobody acknowledges) and
        `waiting` (kept until it can be delivered).
        """

    @property
    def state(self) -> str:
        """One short line for people: "connected (MQTT 5)"."""
