"""What a gate writes down for the next one, should it be killed; in /run, so the note is forgotten with the boot.

Root's own folder, beside that of the application: a version on trial cannot forge its own judgement.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from firmware_tools.update.folders import make_folders
from firmware_tools.update.layout import Layout

MAX_BYTES = 16 * 1024
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Note(Struct, frozen=True):
    """About the trial under way."""

    slot: str
    attempts: int
    """When it was written; fewer in the state mean that the same slot was put on trial again."""
    began_s: float
    """When its judgement began, on the monotonic clock of this boot."""
    text: str = ""
    """The last verdict."""
    owed: bool = False
    """Given up, or about to be; the service must then be restarted, which may not have happened yet."""
    boot: str = ""


def read_note(layout: Layout, name: str) -> Note | None:
    """Return the note of this boot, or None."""
    try:
        handle = os.open(layout.beside(name, "gate"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            note = msgspec.json.decode(file.read(MAX_BYTES), type=Note)
    except (OSError, ValueError, RecursionError):
        return None
    return note if note.boot == _boot() else None


def write_note(layout: Layout, name: str, note: Note) -> None:
    """Replace the note; without one, only a killed gate's successor knows less."""
    path = layout.beside(name, "gate")
    new = path.with_name(f"{path.name}.new")
    with suppress(OSError):
        make_folders(path.parent)
        new.write_bytes(msgspec.json.encode(msgspec.structs.replace(note, boot=_boot(), text=note.text[:1000])))
        os.replace(new, path)


def remove_note(layout: Layout, name: str) -> None:
    with suppress(OSError):
        layout.beside(name, "gate").unlink()


@contextmanager
def only_one(layout: Layout, name: str, what: str) -> Iterator[None]:
    """Wait until nobody else is the `what` of an application, then be it.

    Raises:
        OSError: the lock cannot be made.
    """
    path = layout.beside(name, f"{what}.lock")
    make_folders(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
