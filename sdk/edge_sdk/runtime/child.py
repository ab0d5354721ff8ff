"""How a module of this package is run in a child process.

`python -m` looks for every import in the working folder first: a json.py that lies beside a downloaded model would run.
So the child starts without that folder, and finds the module as this process would.
"""

from __future__ import annotations

import os
import sys

_START = (
    "import sys; sys.path[:] = filter(None, sys.path); import runpy; "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `module` as `python -m` does, but never a file of the working folder."""
    return [sys.executable, "-c", _START, module, *arguments]


def child_environment() -> dict[str, str]:
    """Return the environment in which the child finds what this process imports from."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
