"""Where a path really leads, if nobody else decides that.

    /var/cache/edge-sdk-line -> private/edge-sdk-line      a link of root's, in folders that only root changes
    /srv/drop/cache -> /home/ann/inbox                     Bob owns /srv/drop: he would choose what Ann's programs load

A folder that is ours and closed is not enough where its content will be trusted: whoever can turn a link chooses
*which* of our folders it is, and one of them may be where files of strangers arrive. So each link on the way must
belong to root or to us, and so must every folder above it, closed to others or sticky (only owners replace what is in
it).
What is behind the last link is the caller's to check.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: As many as the kernel follows.
MOST_LINKS = 40


def real_folder(path: Path, user: int | None = None) -> Path | None:
    """Return where `path` leads, free of links; None where somebody else could turn a link on the way.

    Args:
        path: what does not exist yet ends it; the rest is taken as it is, and may not lead back (`..`).
        user: who we are; default the effective user.

    Raises:
        OSError: it cannot be looked at, or links go round in circles.
    """
    ours = (0, os.geteuid() if user is None else user)
    path = Path.cwd() / path
    here, left, links = Path(path.anchor), list(path.parts[1:]), 0
    while left:
        name = left.pop(0)
        if name == "..":
            here = here.parent
            continue
        try:
            status = (here / name).lstat()
        except FileNotFoundError:
            return None if ".." in left else (here / name).joinpath(*left)
        if not stat.S_ISLNK(status.st_mode):
            here /= name
            continue
        links += 1
        if links > MOST_LINKS:
            raise OSError(f"{path}: too many links")
        if status.st_uid not in ours or not all(_is_closed(one, ours) for one in (here, *here.parents)):
            return None
        target = Path(os.readlink(here / name))
        here = Path(target.anchor) if target.is_absolute() else here
        left = [*target.parts[target.is_absolute() :], *left]
    return here


def _is_closed(folder: Path, ours: tuple[int, ...]) -> bool:
    """Return whether nobody but root and us can replace something in a folder."""
    status = folder.lstat()
    open_to_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
    return status.st_uid in ours and not open_to_others
