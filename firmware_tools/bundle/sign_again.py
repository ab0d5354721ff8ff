"""More signatures on a finished bundle: a new head, the same manifest, the same payload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from firmware_tools.bundle.reader import CHUNK_BYTES, inspect_bundle
from firmware_tools.sign import PrivateKey, durable
from firmware_tools.sign.sealed import countersign


def add_signatures(source: Path, target: Path, keys: Sequence[PrivateKey]) -> tuple[str, ...]:
    """Write `source` with more signatures to `target` (which may be the same) and return the ids of all.

    Raises:
        ConfigError: it is no bundle.
        VerificationError: its contents are damaged; nobody should sign that.
    """
    with inspect_bundle(source) as bundle:
        bundle.verify()
        sealed = countersign(bundle.sealed, keys)
        with durable.replacing(target) as file:
            file.write(sealed.head())
            for data in bundle.payload(CHUNK_BYTES):
                file.write(data)
    return tuple(key for key, _ in sealed.signatures)
