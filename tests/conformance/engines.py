"""Our engines on models that are used once: nothing is kept in the cache, and no process is started to compile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_sdk.runtime.session import open_session
from tests.real.oracle import Arrays

ENGINES = ("host", "sandbox")


@contextmanager
def compiling_here() -> Iterator[None]:
    """Compile in this process, as where no child can be started: thirty times quicker for a module of a few bytes."""

    def no_child(*_: object) -> None:
        raise OSError("compile here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_sdk.runtime.cache._compile_in_child", no_child)
        yield


def run(module: bytes, engine: str, calls: list[Arrays]) -> list[Arrays]:
    """Return the outputs of a sequence of calls, state kept between them."""
    with open_session(module, engine=engine, memory_mib=1024) as session:
        return [list(session.run(*call)) for call in calls]
