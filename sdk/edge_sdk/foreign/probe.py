"""Is a runtime there? Asked of the interpreter that would run it, by importing it there."""

from __future__ import annotations

import os
from importlib.util import find_spec

from edge_sdk.engines import ForeignEngine
from edge_sdk.errors import EngineFaultError, MissingExtraError
from edge_sdk.foreign import wire
from edge_sdk.foreign.process import Child, first_task, interpreter_of, sealed
from edge_sdk.units import printable

#: Starting Python and importing numpy and the runtime on a slow board.
PATIENCE_S = 30.0


def seems_installed(engine: ForeignEngine) -> bool:
    """Return whether there is something to ask; nothing is imported or started."""
    return bool(os.environ.get(engine.python_variable)) or find_spec(engine.module.partition(".")[0]) is not None


def installed_version(engine: ForeignEngine) -> str:
    """Return the version of a runtime that can be used here.

    Raises:
        MissingExtraError: it is not installed where it is looked for, or not with what it needs.
        EngineFaultError: it cannot even be imported without harm.
        UsageError: the engine's variable names no interpreter.
    """
    python = interpreter_of(engine)
    if not seems_installed(engine):
        raise MissingExtraError(f"{engine.distribution} is not installed", hint=engine.missing_hint)
    nothing = sealed(b"")
    try:
        child = Child(python, first_task(engine, python) | {"probe": True}, nothing)
    except OSError as error:
        raise EngineFaultError(f"{python} cannot be started: {error.strerror}") from error
    finally:
        os.close(nothing)
    try:
        answer = child.receive(wire.Opened, child.started_s + PATIENCE_S)
    except (wire.GoneError, wire.SilentError, wire.NonsenseError):
        raise EngineFaultError(f"{engine.distribution} cannot be imported: {child.end(1.0)}") from None
    child.end(1.0)
    if isinstance(answer, wire.Refused):
        raise MissingExtraError(printable(answer.text), hint=engine.missing_hint)
    return answer.version
