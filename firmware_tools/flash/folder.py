"""A folder that stands for `/`: an image being made, a test. Nothing runs there, so nothing is restarted."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

from edge_sdk.errors import EdgeError, TargetNotFoundError, TransferError, UsageError
from firmware_tools.flash.local import probe_here
from firmware_tools.flash.probe import TargetFacts
from firmware_tools.flash.process import last_words, start
from firmware_tools.flash.receiver_program import receiver_words

#: Newest first, as the probe of a machine looks for them.
_PYTHONS = (*(f"python3.{minor}" for minor in range(14, 9, -1)), "python3")


class FolderTransport:
    """A folder: FolderTransport(Path("rootfs")).probe()."""

    kind = "dir"
    restarts = False

    def __init__(self, path: Path) -> None:
        """Name the folder.

        Raises:
            TargetNotFoundError: there is none.
            UsageError: it is this machine's own `/`.
        """
        if not path.is_dir():
            raise TargetNotFoundError(f"{path}: no such folder", hint=f"mkdir -p {shlex.quote(str(path))}")
        if os.path.samefile(path, "/"):
            raise UsageError(f"{path}: is this machine itself, expected a folder that stands for one", hint="--local")
        self.root = str(path.absolute())
        self.target = self.root
        self.words = f"--dir {shlex.quote(self.root)}"

    def probe(self) -> TargetFacts:
        """Look at what the folder holds; the Python is this command's own; see `Transport`."""
        return replace(probe_here(self.root), own_python=own_python(Path(self.root)))

    def start_receiver(self, facts: TargetFacts) -> Popen[bytes]:
        """Start the receiver; see `Transport`."""
        return start(receiver_words(facts.python_path, self.root))

    def explain(self, code: int | None, complaint: str) -> EdgeError:
        """Return our error for a receiver that ended before it said anything; see `Transport`."""
        return TransferError(f"{self.target}: the receiver ended with {code}: {last_words(complaint) or 'no word'}")


def own_python(root: Path) -> str:
    """Return the Python of the system that a folder holds, as it is called there; the usual one where none is yet."""
    for name in _PYTHONS:
        for path in (f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
            if os.path.lexists(f"{root}{path}"):  # a link may lead to where only that system finds it
                return path
    return "/usr/bin/python3"
