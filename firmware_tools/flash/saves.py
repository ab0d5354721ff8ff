"""When is a project saved? Its files are looked at ten times a second, which misses no editor and needs no package.

look    look    look    look
a       a'      a''     a''      -> "a was saved": two looks alike after the last change
                                    a burst of saves, or a file replaced by rename, is one save
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from firmware_tools.bundle.workshop import Signature, signature_of

POLL_S = 0.1
#: A file that is written all the time is taken as it is after so many looks.
MOST_RESTLESS = 20

Look = Callable[[Path], Signature | None]


class Saves:
    """What has been written since it was last asked for.

    saves = Saves()
    saves.follow([pipeline, model])     # before they are read: what is written after that is a change
    saves.poll()                        # [] ... [model]
    """

    def __init__(self, look: Look = signature_of) -> None:
        self._look = look
        self._base: dict[Path, Signature | None] = {}
        self._last: dict[Path, Signature | None] = {}
        self._restless = 0

    def follow(self, paths: Iterable[Path]) -> None:
        """Watch these files from now on; those that were watched keep what they are compared with."""
        self._base = {path: self._base[path] if path in self._base else self._look(path) for path in paths}
        self._last = {path: self._last.get(path, now) for path, now in self._base.items()}

    def poll(self) -> list[Path]:
        """Look once; return the files that were saved, when they lie still again."""
        now = {path: self._look(path) for path in self._base}
        lies_still, self._last = now == self._last, now
        self._restless = 0 if lies_still else self._restless + 1
        if not lies_still and self._restless < MOST_RESTLESS:
            return []
        saved = [path for path in now if now[path] != self._base[path]]
        self._base, self._restless = now, 0
        return saved
