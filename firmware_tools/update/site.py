"""Sites: folders of unpacked wheels that Python imports from. A site is never changed, and named by what is in it.

    sites/ID/wheels.json    {"files": {"numpy/__init__.py": SHA256, ...}, "wheels": {"numpy-2.1.whl": SHA256, ...}}
    sites/ID/numpy/...

ID is made of the wheels, so two versions of an application with the same wheels share one site, and a slot's manifest
alone says which site it needs. Files that wheels.json does not name (Python's own caches) are nobody's concern.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge_sdk.errors import AccessDeniedError, TargetNotFoundError, TransferError, VerificationError
from firmware_tools.bundle.manifest import Manifest, Sha256
from firmware_tools.sign import durable
from firmware_tools.update.layout import SITE, Layout

INDEX = "wheels.json"
ID_DIGITS = 16
MAX_INDEX_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20


class Index(Struct, frozen=True):
    """What wheels.json says."""

    files: dict[Annotated[str, Meta(min_length=1, max_length=4096)], Sha256]
    wheels: dict[Annotated[str, Meta(min_length=1, max_length=240)], Sha256]


def site_id(wheels: Iterable[tuple[str, str]]) -> str:
    """Return the name of the site that these wheels (file name, sha256) make; "" for none."""
    lines = sorted(f"{sha256}  {name}\n" for name, sha256 in wheels)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:ID_DIGITS] if lines else ""


def site_of(manifest: Manifest) -> str:
    """Return the site that a bundle's wheels make; "" where it brings none."""
    return site_id((entry.path.rpartition("/")[2], entry.sha256) for entry in manifest.files if entry.role == "wheel")


def site_link(site: str) -> str:
    """Return what a slot's link `site` says: the way from apps/NAME/slots/ID to the site."""
    return f"../../../../sites/{site}"


def read_index(layout: Layout, site: str) -> Index:
    """Return what a site says it is made of.

    Raises:
        TargetNotFoundError: there is no such site.
        VerificationError: that is another one, or it is damaged.
    """
    path = layout.sites / site / INDEX
    try:
        index = msgspec.json.decode(durable.read(path, MAX_INDEX_BYTES), type=Index)
    except TargetNotFoundError:
        raise TargetNotFoundError(f"{path.parent}: no such site of Python packages", hint="edge-sdk flash") from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise VerificationError(f"{path}: damaged: {fault}", hint="edge-sdk flash") from None
    if (found := site_id(index.wheels.items())) != site:
        raise VerificationError(f"{path}: its wheels make the site {found or 'of none'}, expected {site}")
    return index


def verify_site(layout: Layout, site: str) -> tuple[int, int]:
    """Read every file of a site back; return how many there are, and their bytes.

    Raises:
        VerificationError, TargetNotFoundError: it is not what it should be.
    """
    folder, files, size = layout.sites / site, read_index(layout, site).files, 0
    for name, sha256 in sorted(files.items()):
        if name.startswith("/") or ".." in name.split("/"):
            raise VerificationError(f"{folder / INDEX}: names {name[:240]!r}, which is outside the site")
        size += verify_file(folder / name, sha256)
    return len(files), size


def linked_site(slot: Path) -> str:
    """Return the site that a slot's link names; "" where it has none."""
    try:
        return Path(os.readlink(slot / SITE)).name
    except OSError:
        return ""


def verify_file(path: Path, sha256: str) -> int:
    """Return the size of a file with this hash.

    Raises:
        VerificationError: it is another file, or absent.
        TransferError, AccessDeniedError: it cannot be read.
    """
    found, size = hash_file(path)
    if found != sha256:
        came = f"got {found[:16]}..." if found else "it is not there"
        raise VerificationError(f"{path}: is damaged: expected SHA-256 {sha256[:16]}..., {came}")
    return size


def hash_file(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and size of a regular file that is no link; ("", 0) where there is none."""
    digest, size = hashlib.sha256(), 0
    try:
        for data in pieces_of(path):
            digest.update(data)
            size += len(data)
    except TargetNotFoundError:
        return "", 0
    return digest.hexdigest(), size


def pieces_of(path: Path) -> Iterator[bytes]:
    """Yield what a regular file holds.

    Raises:
        TargetNotFoundError: it is absent, or a link, or no regular file.
        TransferError, AccessDeniedError: it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise TargetNotFoundError(f"{path}: is no regular file")
            while data := os.read(handle, CHUNK_BYTES):
                yield data
        finally:
            os.close(handle)
    except OSError as fault:
        if fault.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise TargetNotFoundError(f"{path}: no such file") from None
        kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
        raise kind(f"{path}: cannot be read: {fault.strerror}") from fault
