"""Numbers from files of numpy: bounded before anything is allocated, and never unpickled."""

from __future__ import annotations

import io
import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from edge_sdk.errors import AccessDeniedError, ConfigError, EdgeError, InputError, TargetNotFoundError
from edge_sdk.registry import nearest
from edge_sdk.units import si_bytes

MAX_ARRAY_BYTES = 1 << 30
AnyArray = NDArray[Any]


def read_npy(path: Path, max_bytes: int = MAX_ARRAY_BYTES) -> AnyArray:
    """Return the array of a .npy file.

    Raises:
        TargetNotFoundError, AccessDeniedError: the file.
        InputError: it is not a .npy file of plain numbers, is cut short or is larger than `max_bytes`.
    """
    with open_binary(path) as file:
        return _read_stream(file, str(path), max_bytes)


def read_npz(path: Path, name: str | None, max_bytes: int = MAX_ARRAY_BYTES) -> AnyArray:
    """Return one array of a .npz file; `name` may be None when there is only one.

    Raises:
        TargetNotFoundError, AccessDeniedError: the file.
        ConfigError: which array is meant is not clear, or there is none of this name.
        InputError: damaged, or larger than `max_bytes`.
    """
    with open_binary(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                member = _member([entry for entry in archive.namelist() if entry.endswith(".npy")], name, path)
                with archive.open(member) as stream:
                    return _read_stream(stream, f"{path}[{member[:-4]}]", max_bytes)
        except EdgeError:
            raise
        except Exception as fault:  # each compression has errors of its own, and not every Python has each of them
            raise InputError(f"{path}: not a readable .npz file: {fault}") from fault


def npy_bytes(array: AnyArray) -> bytes:
    """Return the content of a .npy file."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading, with our errors."""
    try:
        if not path.is_file():
            problem = "is a folder, expected a file" if path.is_dir() else "no such file"
            raise TargetNotFoundError(f"{path}: {problem}")
        return path.open("rb")
    except PermissionError:
        raise AccessDeniedError(f"{path}: may not be read", hint=f"chmod u+r {path}") from None
    except (OSError, ValueError) as fault:
        if isinstance(fault, TargetNotFoundError):
            raise
        raise TargetNotFoundError(f"{path}: cannot be read: {fault}") from fault


def _member(members: list[str], name: str | None, path: Path) -> str:
    names = [member[:-4] for member in members]
    if name is None:
        if len(names) != 1:
            raise ConfigError(f"expected the name of one array of {path}, which holds {_list(names)}")
        return members[0]
    if name not in names:
        raise ConfigError(f"{path} holds no array {name!r}{nearest(name, names)}; it holds {_list(names)}")
    return name + ".npy"


def _list(names: list[str]) -> str:
    return (", ".join(sorted(names)[:40]) + (", ..." if len(names) > 40 else "")) or "none"


def _short(said: object) -> str:
    """Return the first line of what a hostile header may have made long."""
    return str(said).partition("\n")[0][:200]


def _read_stream(file: IO[bytes], what: str, max_bytes: int) -> AnyArray:
    try:
        version = npy_format.read_magic(file)
        header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, dtype = header(file)
    except Exception as fault:  # numpy parses the header as a Python literal and lets many kinds of error out
        raise InputError(f"{what}: not a .npy array: {_short(fault)}") from fault
    if dtype.hasobject or dtype.kind not in "biuf":
        raise InputError(f"{what}: expected numbers, got the dtype {_short(dtype)}")
    size = prod(shape) * dtype.itemsize
    if any(length < 0 for length in shape):
        raise InputError(f"{what}: not a .npy array: its header says the shape {_short(shape)}")
    if size > max_bytes:
        raise InputError(f"{what}: {si_bytes(min(size, 1 << 60))}; at most {si_bytes(max_bytes)} are taken")
    data = file.read(size)
    if len(data) != size:
        raise InputError(f"{what}: cut short: {len(data)} of {size} bytes")
    try:
        array: AnyArray = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C").copy()
    except (ValueError, TypeError) as fault:  # too many dimensions, or too long beside one of zero
        raise InputError(f"{what}: not a .npy array: {_short(fault)}") from fault
    return array
