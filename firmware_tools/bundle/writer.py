"""Writing a bundle: hash what goes in, seal the manifest, copy, rename. The same contents give the same bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge_sdk.errors import AccessDeniedError, TargetNotFoundError, TransferError
from firmware_tools.bundle.manifest import FileEntry, Manifest, Role, encode_manifest
from firmware_tools.bundle.reader import CHUNK_BYTES, Progress
from firmware_tools.sign import BUNDLE, PrivateKey, durable, seal


@dataclass(frozen=True)
class Content:
    """One file to be packed: `path` in the bundle, and where its bytes are."""

    path: str
    role: Role
    source: Path | bytes

    def entry(self) -> FileEntry:
        """Return its line of the manifest; reads it once."""
        digest, size = hashlib.sha256(), 0
        for data in self.pieces():
            digest.update(data)
            size += len(data)
        return FileEntry(path=self.path, role=self.role, sha256=digest.hexdigest(), size=size)

    def pieces(self) -> Iterator[bytes]:
        with self._open() as file:
            while data := file.read(CHUNK_BYTES):
                yield data

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        if isinstance(self.source, bytes):
            yield io.BytesIO(self.source)
            return
        try:
            with self.source.open("rb") as file:
                yield file
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise TargetNotFoundError(f"{self.source}: no such file") from None
        except PermissionError as fault:
            raise AccessDeniedError(f"{self.source}: may not be read") from fault


def entries_of(contents: Iterable[Content]) -> tuple[FileEntry, ...]:
    """Return the lines of the manifest, in its order."""
    return tuple(content.entry() for content in sorted(contents, key=lambda one: one.path))


def write_bundle(
    path: Path,
    manifest: Manifest,
    contents: Iterable[Content],
    keys: Sequence[PrivateKey],
    progress: Progress | None = None,
) -> None:
    """Write the bundle; `path` changes only when all of it is written.

    Args:
        manifest: its `files` come from `entries_of(contents)`.

    Raises:
        TransferError: a file changed while it was packed, or writing failed.
    """
    sources = {content.path: content for content in contents}
    size = sum(entry.size for entry in manifest.files)
    head = seal(BUNDLE, encode_manifest(manifest), keys, size)
    done = 0
    with durable.replacing(path) as file:
        file.write(head)
        for entry in manifest.files:
            digest, written = hashlib.sha256(), 0
            for data in sources[entry.path].pieces():
                digest.update(data)
                written += len(data)
                if written > entry.size:
                    break
                file.write(data)
                done += len(data)
                if progress is not None:
                    progress(done, size)
            if (digest.hexdigest(), written) != (entry.sha256, entry.size):
                raise TransferError(f"{entry.path}: changed while it was packed", hint="run the same command again")
