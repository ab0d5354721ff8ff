"""Writing one output file: whoever reads it sees the old content or the new one, never a part.

A new file is made beside the old one and renamed over it. That must not happen to a pipe or a device (`-o /dev/stdout`,
`-o /dev/null`): root would replace the node itself, for the whole machine. Those are written to.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from edge_sdk.errors import AccessDeniedError, TransferError


def write_file(path: Path, data: bytes) -> None:
    """Make `data` the content of the file; a link is followed.

    Raises:
        AccessDeniedError, TransferError: the message begins with the path.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)  # for a folder the system finds the words
        else:
            _replace(target, data)
    except PermissionError as fault:
        raise AccessDeniedError(f"{path}: may not be written") from fault
    except OSError as fault:
        hint = f"mkdir -p {shlex.quote(str(path.parent))}" if isinstance(fault, FileNotFoundError) else ""
        raise TransferError(f"{path}: cannot be written: {fault.strerror}", hint=hint) from fault


def _replace(path: Path, data: bytes) -> None:
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:100]}.", delete=False) as file:
            temporary = file.name
            file.write(data)
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int:
    """Return the mode of the file that is replaced, or what a new one gets from this process."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
