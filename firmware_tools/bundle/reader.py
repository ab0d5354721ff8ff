"""Reading a bundle that may come from an enemy: each step believes only what the step before has proved.

    header       fixed size, every length bounded, their sum is the file's own size     exit 3
    signatures   over the manifest's bytes, which nobody has parsed yet                 exit 12
    manifest     strict types, canonical form, paths                                    exit 3
    requires     board, architecture, memory, edge-sdk                                  exit 5
    counter      not older than what the device has accepted                            exit 12
    files        hashed while they are copied into a folder beside the destination,     exit 8
                 which becomes the destination when the last one fits

The file stays open between the steps: what was checked is what is copied.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from edge_sdk.errors import AccessDeniedError, ConfigError, TargetNotFoundError, TransferError, VerificationError
from firmware_tools.bundle.manifest import FileEntry, Manifest, decode_manifest
from firmware_tools.bundle.requires import Device, check_requires
from firmware_tools.sign import BUNDLE, Sealed, durable, read_sealed

CHUNK_BYTES = 1 << 20
#: Called with (bytes done, bytes in all) after each piece.
Progress = Callable[[int, int], None]


class Trust(Protocol):
    """What the reader asks of a trust store."""

    def check_signers(self, sealed: Sealed, what: str = ...) -> tuple[str, ...]: ...

    def check_counter(
        self, name: str, counter: int, floor: int, manifest_sha256: str, *, allow_downgrade: bool = ...
    ) -> None: ...


class Bundle:
    """An open bundle; `with` closes it.

    Attributes:
        manifest: what it says.
        signers: the keys it is believed by; empty when nobody was asked.
        manifest_sha256: its identity.
    """

    def __init__(self, file: BinaryIO, name: str, sealed: Sealed, signers: tuple[str, ...]) -> None:
        self._file = file
        self._name = name
        self.sealed = sealed
        self.signers = signers
        self.manifest: Manifest = decode_manifest(sealed.document)
        self.manifest_sha256 = hashlib.sha256(sealed.document).hexdigest()
        said = sum(entry.size for entry in self.manifest.files)
        if said != sealed.payload_bytes:
            raise ConfigError(f"{name}: malformed: its files have {said:,} bytes, its payload {sealed.payload_bytes:,}")

    def verify(self, progress: Progress | None = None) -> None:
        """Compare every file with its hash; write nothing.

        Raises:
            VerificationError: a file is not what the manifest says.
        """
        self._file.seek(self.sealed.payload_at)
        for entry in self.manifest.files:
            self._copy(entry, None, progress)

    def payload(self, most_bytes: int) -> Iterator[bytes]:
        """Yield the payload in pieces, as it stands."""
        self._file.seek(self.sealed.payload_at)
        while data := self._file.read(most_bytes):
            yield data

    def open_file(self, entry: FileEntry) -> BinaryIO:
        """Return one file of the payload to read and seek in, as it stands; its hash is the reader's affair."""
        before = itertools.takewhile(lambda one: one.path != entry.path, self.manifest.files)
        start = self.sealed.payload_at + sum(one.size for one in before)
        return io.BufferedReader(_Window(self._file.fileno(), start, entry.size), CHUNK_BYTES)

    def extract(self, destination: Path, progress: Progress | None = None) -> None:
        """Make the folder `destination` with all files; it appears whole or not at all.

        Args:
            destination: absent, or an empty folder.
            progress: see `Progress`.

        Raises:
            VerificationError: a file is not what the manifest says.
            TransferError, AccessDeniedError: writing failed.
        """
        if destination.is_symlink() or (
            destination.exists() and (not destination.is_dir() or any(destination.iterdir()))
        ):
            raise TransferError(f"{destination}: expected an empty folder or nothing there")
        part: Path | None = None
        try:
            part = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}.part-"))
            self._fill(part, progress)
            part.rename(destination)
            part = None
            durable.sync_folder(destination.parent)
        except OSError as fault:
            if isinstance(fault, TransferError | AccessDeniedError):
                raise
            raise durable.write_error(destination, fault) from fault
        finally:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)

    def _fill(self, folder: Path, progress: Progress | None) -> None:
        folders = {folder}
        self._file.seek(self.sealed.payload_at)
        for entry in self.manifest.files:
            target = folder / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            folders.update(one for one in target.parents if one.is_relative_to(folder))
            with target.open("xb") as file:
                self._copy(entry, file, progress)
                file.flush()
                os.fchmod(file.fileno(), 0o644)  # whatever the umask: another user will read it
                os.fsync(file.fileno())
        for one in folders:
            one.chmod(0o755)
            durable.sync_folder(one)

    def _copy(self, entry: FileEntry, target: BinaryIO | None, progress: Progress | None) -> None:
        digest, left = hashlib.sha256(), entry.size
        while left:
            data = self._file.read(min(left, CHUNK_BYTES))
            if not data:
                raise TransferError(f"{self._name}: ended early while {entry.path} was read")
            digest.update(data)
            if target is not None:
                target.write(data)
            left -= len(data)
            if progress is not None:
                progress(self._file.tell() - self.sealed.payload_at, self.sealed.payload_bytes)
        if digest.hexdigest() != entry.sha256:
            raise VerificationError(
                f"{self._name}: {entry.path} is damaged: expected SHA-256 {entry.sha256[:16]}..., "
                f"got {digest.hexdigest()[:16]}...",
                hint="copy the bundle again",
            )

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Window(io.RawIOBase):
    """A part of an open file with a place of its own, so that several can be read side by side."""

    def __init__(self, handle: int, start: int, size: int) -> None:
        super().__init__()
        self._handle, self._start, self._size, self._at = handle, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._handle, max(0, min(len(buffer), self._size - self._at)), self._start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def read_bundle(path: Path, trust: Trust, device: Device | None, *, allow_downgrade: bool = False) -> Bundle:
    """Open a bundle that this device may install; nothing is written.

    Args:
        trust: usually a `TrustStore`.
        device: None only where no device is concerned (looking at a bundle).
        allow_downgrade: let an older one pass, down to the device's floor.

    Raises:
        ConfigError: malformed or cut short.
        TrustError: too few trusted signatures, or too old.
        SafetyError: made for another device.
    """
    file = _open(path)
    try:
        sealed = read_sealed(file, BUNDLE, str(path))
        bundle = Bundle(file, str(path), sealed, trust.check_signers(sealed, str(path)))
        manifest = bundle.manifest
        if device is not None:
            check_requires(manifest.requires, device)
        trust.check_counter(
            manifest.name,
            manifest.counter,
            manifest.rollback_floor,
            bundle.manifest_sha256,
            allow_downgrade=allow_downgrade,
        )
    except BaseException:
        file.close()
        raise
    return bundle


def inspect_bundle(path: Path) -> Bundle:
    """Open a bundle just to look at it, believed by nobody.

    Raises:
        ConfigError: malformed or cut short.
    """
    file = _open(path)
    try:
        return Bundle(file, str(path), read_sealed(file, BUNDLE, str(path)), ())
    except BaseException:
        file.close()
        raise


def _open(path: Path) -> BinaryIO:
    try:
        # Non-blocking: a named pipe would wait for a writer for ever.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        hint = "edge-sdk bundle PIPELINE.toml -o APP.edgeb"
        raise TargetNotFoundError(f"{path}: no such file", hint=hint) from None
    except OSError as fault:
        kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
        raise kind(f"{path}: cannot be read: {fault.strerror}") from fault
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise TargetNotFoundError(f"{path}: is no regular file, expected a bundle")
    return os.fdopen(handle, "rb")
