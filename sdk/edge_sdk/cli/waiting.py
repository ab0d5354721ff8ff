"""The command line, started before anybody knows what for: it imports what takes long, then obeys orders.

    {"folder": "/tmp/x", "words": ["run", "pipeline.toml", "--check"], "environment": {...}}    a line on stdin
    {"code": 3, "said": "error: ..."}                                                          a line on stdout

Each order is a command of its own, in a copy (fork) of this process: it starts in milliseconds, may crash, and leaves
nothing behind. Between orders there is nothing that a fork could not bear: no engine, no thread of ours.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from edge_sdk.cli.main import main
from edge_sdk.errors import EdgeError

#: Of what a command says, the end is kept.
MOST_SAID_BYTES = 64 * 1024
#: What commands import when they are asked, and tables whose rows they load.
_MODULES = ("edge_sdk.cli.convert", "edge_sdk.cli.run", "edge_sdk.compiler.convert", "edge_sdk.load")
_MORE_MODULES = ("edge_sdk.pipeline.check", "edge_sdk.runtime.kernel_call", "edge_sdk.runtime.session")
_TABLES = (("edge_sdk.pipeline.steps", "STEPS"), ("edge_sdk.publish", "SINKS"), ("edge_sdk.sensors", "SENSORS"))


def import_ahead() -> None:
    """Import what a command may need; an optional package that is not there is the command's to complain about."""
    for name in (*_MODULES, *_MORE_MODULES):
        import_module(name)
    for name, table in _TABLES:
        rows = getattr(import_module(name), table)
        for row in rows:
            with suppress(EdgeError):
                rows.load(row)


def serve() -> None:
    """Obey until the orders end."""
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(obey(json.loads(line))) + "\n")
        sys.stdout.flush()


def obey(order: dict[str, Any]) -> dict[str, Any]:
    """Run one command to its end; return its exit code (negative: the signal that ended it) and its words."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            _be(order, said.fileno())
        _, status = os.waitpid(child, 0)
        said.seek(max(0, said.seek(0, os.SEEK_END) - MOST_SAID_BYTES))
        return {"code": os.waitstatus_to_exitcode(status), "said": said.read().decode("utf-8", "replace")}


def _be(order: dict[str, Any], said: int) -> NoReturn:
    """Be the command."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, handle in enumerate((nothing, nothing, said)):
            os.dup2(handle, number)
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        code = main(order["words"])
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside numpy's threads, which numpy looks after
    import_ahead()
    serve()
