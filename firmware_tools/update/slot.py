"""Slots: one version of an application in a folder that appears whole or not at all, and is never changed.

    signed head --> whom do we believe? --> what is it? --> may this device run it? --> is it new enough?
                                                                     | nothing was written so far
    blobs of the store, files of kept slots --copied, hashed--> .part-ID --fsync, rename--> slots/ID

A slot holds every file of the bundle but the wheels, the head it came with, and a relative link to its site.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from edge_sdk.errors import AccessDeniedError, ConfigError, TargetNotFoundError, TransferError, VerificationError
from firmware_tools.bundle.manifest import FileEntry, Manifest, decode_manifest
from firmware_tools.bundle.requires import check_requires
from firmware_tools.sign import BUNDLE, Sealed, TrustStore, durable, read_sealed
from firmware_tools.sign.sealed import MAX_HEAD_BYTES
from firmware_tools.update.facts import device_of
from firmware_tools.update.folders import PART, entries, leftovers, make_folders, remove_tree, set_aside, writing
from firmware_tools.update.layout import HEAD, SITE, Layout
from firmware_tools.update.site import hash_file, linked_site, pieces_of, read_index, site_link, site_of, verify_file

#: Of one slot.
SLOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


class Head(NamedTuple):
    """What a bundle says of itself, and who says so."""

    manifest: Manifest
    sealed: Sealed

    @property
    def sha256(self) -> str:
        """Return the bundle's identity."""
        return hashlib.sha256(self.sealed.document).hexdigest()

    @property
    def slot(self) -> str:
        return f"{self.manifest.version}-{self.sha256[:12]}"

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Return the files that a slot holds."""
        return tuple(entry for entry in self.manifest.files if entry.role != "wheel")


def parse_head(data: bytes, what: str = "bundle") -> Head:
    """Return a head as it stands, believed by nobody.

    Raises:
        ConfigError: malformed.
    """
    return _decoded(read_sealed(io.BytesIO(data), BUNDLE, what, head_only=True), what)


def check_head(layout: Layout, data: bytes, *, board: str = "", allow_downgrade: bool = False) -> Head:
    """Return a head that this device may install; nothing is written.

    Args:
        board: what the device is, where `layout.root` is a folder that cannot say; "" to look.
        allow_downgrade: let an older one pass, down to the device's floor.

    Raises:
        ConfigError: malformed.
        TrustError: too few trusted signatures, or too old.
        SafetyError: made for another device.
    """
    trust = TrustStore(layout.trust)
    sealed = read_sealed(io.BytesIO(data), BUNDLE, head_only=True)
    trust.check_signers(sealed)
    head = _decoded(sealed, "bundle")
    check_requires(head.manifest.requires, device_of(layout, board, own_packages=bool(site_of(head.manifest))))
    check_counter(trust, head, allow_downgrade=allow_downgrade)
    return head


def check_counter(trust: TrustStore, head: Head, *, allow_downgrade: bool) -> None:
    """Refuse a bundle that is too old for this device.

    Raises:
        TrustError: says how old.
    """
    manifest = head.manifest
    trust.check_counter(
        manifest.name, manifest.counter, manifest.rollback_floor, head.sha256, allow_downgrade=allow_downgrade
    )


def accept(layout: Layout, head: Head) -> None:
    """Remember that this bundle was good here. Whether it may be older was decided when it was checked."""
    manifest = head.manifest
    make_folders(layout.trust)
    TrustStore(layout.trust).accept(
        manifest.name, manifest.counter, manifest.rollback_floor, head.sha256, allow_downgrade=True
    )


def _decoded(sealed: Sealed, what: str) -> Head:
    manifest = decode_manifest(sealed.document)
    said = sum(entry.size for entry in manifest.files)
    if said != sealed.payload_bytes:
        raise ConfigError(f"{what}: malformed: its files have {said:,} bytes, its payload {sealed.payload_bytes:,}")
    for entry in manifest.files:
        first = entry.path.split("/")[0].casefold()
        if first in (HEAD, SITE) or first.startswith(PART):
            raise ConfigError(f"{what}: the path {entry.path!r} is one that a slot keeps for itself")
    return Head(manifest, sealed)


def read_head(layout: Layout, name: str, slot: str) -> Head:
    """Return the head of a slot.

    Raises:
        TargetNotFoundError: there is no such slot.
        VerificationError: it is damaged.
    """
    path = layout.slot(name, slot) / HEAD
    try:
        head = parse_head(durable.read(path, MAX_HEAD_BYTES), str(path))
    except TargetNotFoundError:
        raise TargetNotFoundError(f"{name}: the device has no version {slot}", hint="edge-sdk status") from None
    except ConfigError as fault:
        raise VerificationError(f"{path}: damaged: {fault.message}", hint="edge-sdk flash") from None
    if (head.manifest.name, head.slot) != (name, slot):
        raise VerificationError(f"{path}: belongs to {head.manifest.name} {head.slot}")
    return head


def kept_slots(layout: Layout, name: str) -> list[str]:
    """Return the slots of an application, in order of names."""
    found = entries(layout.slots(name))
    return [one.name for one in found if SLOT.fullmatch(one.name) and (one / HEAD).is_file()]


def held(layout: Layout, name: str, hashes: Iterable[str]) -> list[str]:
    """Return those of the hashes that a file of a kept slot has, read back from the disk."""
    copies = _copies(layout, name)
    return [one for one in hashes if any(_has(path, one) for path in copies.get(one, ()))]


def _has(path: Path, sha256: str) -> bool:
    try:
        return hash_file(path)[0] == sha256
    except (TransferError, AccessDeniedError):
        return False


def verify_slot(layout: Layout, name: str, slot: str) -> tuple[int, int]:
    """Read every file of a slot back; return how many there are, and their bytes. Its site is `verify_site`'s affair.

    Raises:
        VerificationError, TargetNotFoundError: it is not what it should be.
    """
    head, folder, size = read_head(layout, name, slot), layout.slot(name, slot), 0
    for entry in head.files:
        size += verify_file(folder / entry.path, entry.sha256)
    if (found := linked_site(folder)) != (wanted := site_of(head.manifest)):
        raise VerificationError(f"{folder / SITE}: leads to {found or 'nothing'}, expected {wanted or 'no such link'}")
    return len(head.files), size


def build_slot(
    layout: Layout, data: bytes, site: str, *, board: str = "", allow_downgrade: bool = False, kept: Iterable[str] = ()
) -> Head:
    """Make the slot of a signed head; where it is already, and whole, nothing is done.

    Args:
        data: the head.
        site: of its wheels, "" where it has none.
        board: see `check_head`.
        allow_downgrade: see `check_head`.
        kept: slots that stay as they are even when damaged: what runs must not be pulled from under it.

    Raises:
        EdgeError: as `check_head`.
        TargetNotFoundError: the site, or a file, was not sent.
        VerificationError: a file is damaged.
        TransferError, AccessDeniedError: the disk failed; what was there before is untouched.
    """
    head = check_head(layout, data, board=board, allow_downgrade=allow_downgrade)
    _check_site(layout, head.manifest, site)
    folder = layout.slot(head.manifest.name, head.slot)
    try:
        if not _is_whole(layout, head):
            _make(layout, head, folder, kept)
    finally:
        _sweep(folder.parent)
    return head


def _make(layout: Layout, head: Head, folder: Path, kept: Iterable[str]) -> None:
    if head.slot in kept:
        raise VerificationError(
            f"{folder}: is damaged, and it is the version that runs", hint="edge-sdk flash a newer version"
        )
    make_folders(folder.parent)
    part = folder.with_name(f"{PART}{head.slot}")
    remove_tree(part)
    with writing(part):
        _fill(layout, head, part)
    _put_in_place(part, folder)


def _sweep(folder: Path) -> None:
    """Free the space of tries that failed; what cannot be removed now is left to `collect`."""
    for one in leftovers(folder):
        with suppress(TransferError, AccessDeniedError):
            remove_tree(one)


def _check_site(layout: Layout, manifest: Manifest, site: str) -> None:
    wanted = site_of(manifest)
    if site != wanted:
        raise VerificationError(
            f"{manifest.name}: its wheels make the site {wanted or 'of none'}, got {site[:40] or 'none'}"
        )
    if wanted:
        read_index(layout, wanted)


def _is_whole(layout: Layout, head: Head) -> bool:
    """Return whether the slot is there already; one that cannot even be read back is not."""
    name = head.manifest.name
    try:
        if read_head(layout, name, head.slot).sealed.document != head.sealed.document:
            return False
        verify_slot(layout, name, head.slot)
    except (TargetNotFoundError, VerificationError, TransferError):
        return False
    return True


def _put_in_place(part: Path, folder: Path) -> None:
    if folder.is_symlink() or folder.exists():
        set_aside(folder)
    with writing(folder):
        os.rename(part, folder)
        durable.sync_folder(folder.parent)


def _fill(layout: Layout, head: Head, part: Path) -> None:
    part.mkdir()
    folders, copies = {part}, _copies(layout, head.manifest.name)
    for entry in head.files:
        target = part / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        folders.update(one for one in target.parents if one.is_relative_to(part))
        _take(entry, [layout.store / entry.sha256, *copies.get(entry.sha256, ())], target)
    _write(part / HEAD, [head.sealed.head()])
    if site := site_of(head.manifest):
        (part / SITE).symlink_to(site_link(site))
    for one in sorted(folders, reverse=True):
        one.chmod(0o755)  # whatever the umask: another user will read it
        durable.sync_folder(one)


def _take(entry: FileEntry, sources: Sequence[Path], target: Path) -> None:
    """Copy one file from wherever it is whole; a damaged blob, the first, is removed, so that it is sent again."""
    damaged = ""
    for source in sources:
        try:
            if _write(target, pieces_of(source)) == entry.sha256:
                return
        except TargetNotFoundError:
            continue
        except TransferError:  # of reading; one of writing is a plain OSError and ends the whole try
            pass
        target.unlink(missing_ok=True)
        damaged = str(source)
        if source == sources[0]:
            source.unlink()
    if damaged:
        raise VerificationError(
            f"{entry.path}: {damaged} is damaged: expected SHA-256 {entry.sha256[:16]}...",
            hint="run the same command again: it is sent again",
        )
    raise TargetNotFoundError(f"{entry.path}: was not sent", hint="run the same command again")


def _copies(layout: Layout, name: str) -> dict[str, list[Path]]:
    """Return hash -> the files of kept slots that should have it."""
    found: dict[str, list[Path]] = {}
    for slot in kept_slots(layout, name):
        with suppress(TargetNotFoundError, VerificationError, TransferError):
            for entry in read_head(layout, name, slot).files:
                found.setdefault(entry.sha256, []).append(layout.slot(name, slot) / entry.path)
    return found


def _write(path: Path, pieces: Iterable[bytes]) -> str:
    """Write a new file, on the disk when this returns; return its SHA-256."""
    digest, pieces = hashlib.sha256(), iter(pieces)
    first = next(pieces, b"")  # a source that is not there is found before anything is made
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        for data in chain([first], pieces):
            digest.update(data)
            left = memoryview(data)
            while left:
                written = os.write(handle, left)
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
                left = left[written:]
        os.fchmod(handle, 0o644)
        os.fsync(handle)
    finally:
        os.close(handle)
    return digest.hexdigest()
