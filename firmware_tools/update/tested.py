"""Which models have answered their golden vectors on this device: a hint that saves asking twice, nothing more.

A model is known by everything its answer depends on: its bytes, the question, the recorded answers, and the packages
that ran it. So a new version asks only the models it changes. Without packages of its own a version is asked anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from edge_sdk.errors import ConfigError, TargetNotFoundError, TransferError
from firmware_tools.bundle.manifest import Golden, Manifest, Sha256
from firmware_tools.sign import canonical, durable
from firmware_tools.update.folders import make_folders
from firmware_tools.update.layout import Layout
from firmware_tools.update.site import site_of
from firmware_tools.update.slot import read_head

KEPT = 64
MAX_BYTES = 8192


def untested(layout: Layout, name: str, slot: str) -> list[str]:
    """Return the models of a slot that have not answered here.

    Raises:
        TargetNotFoundError, VerificationError: there is no such slot, or it is damaged.
    """
    known = set(_read(layout, name))
    return [model for model, mark in _marks(read_head(layout, name, slot).manifest, slot) if mark not in known]


def remember_tested(layout: Layout, name: str, slot: str) -> None:
    """Remember that all of them have."""
    known = _read(layout, name)
    new = [mark for _, mark in _marks(read_head(layout, name, slot).manifest, slot)]
    if not set(new) <= set(known):
        make_folders(layout.tested(name).parent)
        kept = [mark for mark in known if mark not in new]
        durable.write(layout.tested(name), canonical.encode([*kept, *new][-KEPT:]))


def _marks(manifest: Manifest, slot: str) -> Iterator[tuple[str, str]]:
    """Yield each model with what it is known by."""
    packages = site_of(manifest) or slot
    hashes = {entry.path: entry.sha256 for entry in manifest.files}
    for golden in manifest.golden:
        yield golden.model, _mark(golden, packages, hashes)


def _mark(golden: Golden, packages: str, hashes: dict[str, str]) -> str:
    files = [hashes.get(path, "") for path in (golden.model, *golden.outputs)]
    return hashlib.sha256(canonical.encode([packages, files, golden])).hexdigest()


def _read(layout: Layout, name: str) -> list[str]:
    try:
        return list(canonical.decode(durable.read(layout.tested(name), MAX_BYTES), list[Sha256], "tested models"))
    except (TargetNotFoundError, ConfigError, TransferError):
        return []
