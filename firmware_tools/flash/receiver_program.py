"""The receiver as it is sent: its modules as one text, and the few words that start it.

    python3 -I -B -X utf8 -c LOADER ROOT      LOADER reads a line with a length, and runs as many bytes

So no length of a command line and no quoting of a foreign shell can get in the way.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.resources import files

#: Each imports those before it only, and else the standard library.
MODULES = ("firmware_tools.update.incoming", "firmware_tools.update.unpacked", "firmware_tools.update.receiver")

_LOADER = "import sys;f=sys.stdin.buffer;exec(f.read(int(f.readline())))"
# The modules go by their names only while they import each other: the device's side may have others of these names.
_PROGRAM = """import sys, types
modules = {modules!r}
for name, text in modules:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
for name, text in modules:
    del sys.modules[name]
module.main(sys.argv[1])
"""


def receiver_words(python: str, root: str) -> list[str]:
    """Return the command that waits for the receiver's text.

    Isolated: neither the working directory nor the environment may slip a module in.
    """
    return [python, "-I", "-B", "-X", "utf8", "-c", _LOADER, root]


@lru_cache(maxsize=1)
def receiver_program() -> bytes:
    """Return what the waiting command is sent."""
    text = _PROGRAM.format(modules=[(name, _source(name)) for name in MODULES]).encode()
    return b"%d\n" % len(text) + text


def _source(name: str) -> str:
    package, _, module = name.rpartition(".")
    return (files(import_module(package)) / f"{module}.py").read_text("utf-8")
