"""What a version leaves behind in its folder in /run, which the next one must not stumble over: the folder is its own,
so anything may lie there, a folder in the place of its report or as many files as the memory disk holds.

Nothing there is opened, followed or believed. Only the update lock stays: another program may hold it.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from firmware_tools.update.folders import entries
from firmware_tools.update.layout import Layout


def clear_run(layout: Layout, name: str) -> None:
    """Empty the folder as far as that can be done: a start must not fail because of it."""
    for one in entries(layout.run(name)):
        with suppress(OSError, RecursionError):
            kind = stat.S_IFMT(one.lstat().st_mode)
            if stat.S_ISDIR(kind):
                _remove_folder(one)
            elif one != layout.update_lock(name) or not stat.S_ISREG(kind):
                one.unlink()


def _remove_folder(folder: Path) -> None:
    aside = folder.with_name(f".gone-{time.monotonic_ns()}")
    os.rename(folder, aside)  # first of all its name is free: it may be deeper than can be removed
    shutil.rmtree(aside)
