"""Tidying up: what no state names any more goes, and so do the leftovers of tries that were cut off.

Kept are the confirmed version, the one before it, a trial, and what `current` leads to; their sites and the agent's.
Everything is renamed first, so nothing that is half removed can be mistaken for something whole.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from edge_sdk.errors import AccessDeniedError, ConfigError, EdgeError, TransferError
from firmware_tools.sign.store import NAME
from firmware_tools.update.folders import entries, leftovers, remove_tree, set_aside, target_of
from firmware_tools.update.layout import SITE, Layout
from firmware_tools.update.state import load_state
from firmware_tools.update.switch import locked


def collect(layout: Layout) -> tuple[list[str], int]:
    """Remove what nobody needs; return what it was, and the bytes freed.

    The caller holds the device's lock: nobody puts anything together meanwhile.

    Raises:
        TransferError, AccessDeniedError: something could not be removed; calling again goes on.
    """
    removed: list[str] = []
    needed = {Path(target_of(layout.agent)).name}
    for app in _apps(layout):
        removed += _unneeded_slots(layout, app.name)
        needed |= {_site_needed(slot) for slot in _all(app / "slots") if not slot.name.startswith(".")}
    removed += [f"sites/{path.name}" for path in _set_aside(layout.sites, needed)]
    freed = sum(remove_tree(path) for path in _litter(layout))
    for blob in entries(layout.store):
        removed.append(f"store/{blob.name}")
        freed += remove_tree(blob)
    return removed, freed


def _all(folder: Path) -> list[Path]:
    """Return what lies in a folder. One that cannot be read is no empty one: what it needs would be removed.

    Raises:
        TransferError, AccessDeniedError: it cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as fault:
        raise _unreadable(folder, fault) from fault


def _site_needed(slot: Path) -> str:
    """Return the site of a slot, "" for none; raises as `_all`."""
    try:
        return Path(os.readlink(slot / SITE)).name
    except FileNotFoundError:
        return ""
    except OSError as fault:
        if fault.errno in (errno.EINVAL, errno.ENOTDIR):  # no link: it needs none
            return ""
        raise _unreadable(slot / SITE, fault) from fault


def _unreadable(path: Path, fault: OSError) -> EdgeError:
    kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
    return kind(f"{path}: cannot be read: {fault.strerror}")


def _unneeded_slots(layout: Layout, name: str) -> list[str]:
    with locked(layout, name):
        try:
            state = load_state(layout.state(name))
        except ConfigError:
            return []  # nobody knows what this application needs: it keeps everything
        needed = {state.confirmed, state.previous, state.trial, layout.current_slot(name)}
        return [f"apps/{name}/slots/{path.name}" for path in _set_aside(layout.slots(name), needed)]


def _set_aside(folder: Path, needed: set[str]) -> list[Path]:
    gone = [path for path in entries(folder) if path.name not in needed and not path.name.startswith(".")]
    for path in gone:
        set_aside(path)
    return gone


def _litter(layout: Layout) -> Iterator[Path]:
    """Yield what was begun and not finished: folders and links of ours, and the files that `durable` writes beside."""
    for app in _apps(layout):
        yield from (*leftovers(app), *leftovers(app / "slots"))
        for folder in (layout.state(app.name).parent, layout.receipts(app.name)):
            yield from (one for one in entries(folder) if one.name.startswith(".") and ".json." in one.name)
    yield from (*leftovers(layout.home), *leftovers(layout.sites))


def _apps(layout: Layout) -> list[Path]:
    return [one for one in _all(layout.apps) if NAME.fullmatch(one.name)]
