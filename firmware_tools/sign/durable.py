"""Files that are whole or absent, also after a power cut: written beside, fsynced, renamed, the folder fsynced."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from edge_sdk.errors import AccessDeniedError, EdgeError, TargetNotFoundError, TransferError


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Give a file to write; when the block ends well it takes the place of `path`, else nothing changes.

    Raises:
        AccessDeniedError, TransferError: the file cannot be written.
    """
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = None
        sync_folder(path.parent)
    except OSError as fault:
        if isinstance(fault, EdgeError):
            raise
        hint = f"mkdir -p {path.parent}" if isinstance(fault, FileNotFoundError) else ""
        raise write_error(path, fault, hint=hint) from fault
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a whole file."""
    with replacing(path, mode) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Make renames inside the folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path, most_bytes: int) -> bytes:
    """Return a small file.

    Raises:
        TargetNotFoundError: it is not there, or no file.
        AccessDeniedError, TransferError: it cannot be read, or is larger than `most_bytes`.
    """
    try:
        # Non-blocking: a named pipe would wait for a writer for ever.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise TargetNotFoundError(f"{path}: is no regular file")
            data = file.read(most_bytes + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise TargetNotFoundError(f"{path}: no such file") from None
    except OSError as fault:
        kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
        raise kind(f"{path}: cannot be read: {fault.strerror}") from fault
    if len(data) > most_bytes:
        raise TransferError(f"{path}: expected at most {most_bytes} bytes")
    return data


def write_error(path: Path, fault: OSError, *, hint: str = "") -> EdgeError:
    """Return our error for a failed write."""
    kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
    return kind(f"{path}: cannot be written: {fault.strerror or fault}", hint=hint)
