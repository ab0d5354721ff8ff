"""Files on their way to a target, on a target that has nothing but Python: only the standard library is used here.

store/SHA256.part    appended to, also by a later try; hashed as it grows
    `-> store/SHA256 by one rename, once it is whole, right, and on the disk
"""

from __future__ import annotations

import contextlib
import hashlib
import os

CHUNK_BYTES = 1 << 20


class Refused(Exception):  # noqa: N818 - it becomes the error it names, on the operator's side
    """What the operator will get: an error of `edge_sdk.errors` by name."""

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.hint = kind, message, hint


def sync_folder(folder: str) -> None:
    """Make what happened to names in a folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: str) -> None:
    """Make a folder and those above it, to last."""
    if not os.path.isdir(folder):
        make_folder(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o755)
            sync_folder(os.path.dirname(folder))


def check_room(folder: str, needed: int, purpose: str) -> None:
    """Refuse to begin what cannot fit."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < needed:
        text = f"{folder}: {needed / 2**20:,.1f} MiB are needed {purpose}, {free / 2**20:,.1f} MiB are free"
        raise Refused("TransferError", text, "free some space on the target, then run the same command again")


class Part:
    """A blob on its way: appended to, hashed as it grows, and renamed when it is what it should be."""

    def __init__(self, path: str, size: int) -> None:
        self._path, self.size = path, size
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o644), "r+b", buffering=0)
        self._digest, self.at = hashlib.sha256(), 0
        if os.fstat(self._file.fileno()).st_size > size:
            self._file.truncate(0)
        while data := self._file.read(CHUNK_BYTES):
            self._digest.update(data)
            self.at += len(data)

    def add(self, data: bytes) -> None:
        if self.at + len(data) > self.size:
            raise Refused("UsageError", f"a blob has more than the {self.size:,} bytes that were announced")
        left = memoryview(data)
        while left:
            count = self._file.write(left) or 0
            self._digest.update(left[:count])
            self.at += count
            left = left[count:]

    def finish(self, path: str, sha256: str) -> None:
        """Let the blob appear.

        Raises:
            Refused: it is another one; it is thrown away.
        """
        if self._digest.hexdigest() != sha256:
            os.unlink(self._path)
            found = self._digest.hexdigest()[:16]
            text = f"blob {sha256[:16]}...: {self.size:,} bytes arrived, but with the SHA-256 {found}..."
            raise Refused("VerificationError", text, "run the same command again")
        os.fsync(self._file.fileno())
        os.rename(self._path, path)
        sync_folder(os.path.dirname(path))

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
