"""Folders and links that are whole or absent, also after a power cut: made beside, fsynced, renamed.

`point` changes a symbolic link in one step: whoever follows it meets the old or the new target, never none. What a
crash leaves beside begins with `.part-`; nobody looks at it, and the next try or `collect` removes it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_sdk.errors import EdgeError
from firmware_tools.sign import durable

PART = ".part-"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into our error that names `path`."""
    try:
        yield
    except OSError as fault:
        if isinstance(fault, EdgeError):
            raise
        raise durable.write_error(path, fault) from fault


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, each readable by every user whatever the umask, and on the disk.

    Raises:
        TransferError, AccessDeniedError: it cannot be made.
    """
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    with writing(folder):
        for one in reversed(missing):
            one.mkdir(exist_ok=True)
            one.chmod(0o755)
            durable.sync_folder(one.parent)


def point(link: Path, target: str) -> bool:
    """Let a symbolic link lead to `target`, as written; return whether it did not before.

    Raises:
        TransferError, AccessDeniedError: it cannot be changed; it is as it was.
    """
    if target_of(link) == target:
        return False
    beside = link.with_name(f"{PART}{link.name}")
    with writing(link):
        beside.unlink(missing_ok=True)
        beside.symlink_to(target)
        os.replace(beside, link)
        durable.sync_folder(link.parent)
    return True


def remove_link(link: Path) -> bool:
    """Remove a symbolic link; return whether there was one."""
    if not target_of(link):
        return False
    with writing(link):
        link.unlink()
        durable.sync_folder(link.parent)
    return True


def target_of(link: Path) -> str:
    """Return where a symbolic link leads, as written; "" where there is none."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def set_aside(folder: Path) -> Path:
    """Rename a folder so that nobody finds it any more, and return where it is now."""
    aside = folder.with_name(f"{PART}gone-{folder.name}")
    with writing(folder):
        remove_tree(aside)
        os.replace(folder, aside)
        durable.sync_folder(folder.parent)
    return aside


def remove_tree(path: Path) -> int:
    """Remove what is there, if anything, and return the bytes it had.

    Raises:
        TransferError, AccessDeniedError: some of it stays.
    """
    freed = size_of(path)
    with writing(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return freed


def size_of(path: Path) -> int:
    """Return the bytes of the files at and below `path`; what cannot be looked at counts nothing."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(one) for one in entries(path))
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, in order of names; nothing where it is absent or unreadable."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def leftovers(folder: Path) -> list[Path]:
    """Return what tries that were cut off have left in a folder."""
    return [one for one in entries(folder) if one.name.startswith(PART)]
