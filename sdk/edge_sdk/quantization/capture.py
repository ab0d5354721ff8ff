"""The samples of a calibration: a .npz file with an array for each input of the model.

    np.savez("capture.npz", input_1=x)                 named after the model's inputs, or x0, x1, ... in their order
    np.savez("capture.npz", x0=x, labels=y)            optional: the right class of each sample

The first axis counts the samples. Of a model whose inputs have a batch of 1, that 1 may stand in the array or not.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Value
from edge_sdk.errors import InputError
from edge_sdk.sensors.array_file import open_binary, read_npz
from edge_sdk.units import si_bytes

LABELS = "labels"
#: Fewer samples say little about what a tensor will hold.
FEW_SAMPLES = 32
MAX_SAMPLES = 1 << 16
MAX_CAPTURE_BYTES = 1 << 30
#: The file's list of contents is read before anything of it is checked.
_MAX_MEMBERS = 4096

Sample = tuple[NDArray[Any], ...]


@dataclass(frozen=True, eq=False)
class Capture:
    """What the file holds.

    Attributes:
        samples: for each sample an array per input of the model, in its dtype and shape.
        labels: the right class of each sample, where the file says it.
    """

    samples: list[Sample]
    labels: NDArray[np.int64] | None = None


def read_capture(path: Path, inputs: Sequence[Value]) -> Capture:
    """Return the samples of a file for a model with these inputs.

    Raises:
        TargetNotFoundError, AccessDeniedError: the file.
        InputError: it is damaged or too large, or its arrays are not what the model takes.
    """
    names = _names(path)
    members = _members(path, names, inputs)
    arrays = [_of_input(path, member, value) for member, value in zip(members, inputs, strict=True)]
    counts = {len(array) for array in arrays}
    if len(counts) != 1:
        listed = ", ".join(f"{member}: {len(array)}" for member, array in zip(members, arrays, strict=True))
        raise InputError(f"{path}: the arrays hold different numbers of samples ({listed})")
    count = counts.pop()
    if not 1 <= count <= MAX_SAMPLES:
        raise InputError(f"{path}: {count} samples, expected 1 to {MAX_SAMPLES}")
    return Capture(list(zip(*arrays, strict=True)), _labels(path, count) if LABELS in names else None)


def _names(path: Path) -> list[str]:
    with open_binary(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
        except Exception as fault:  # damage comes out of zipfile as many kinds of error
            raise InputError(
                f"{path}: not a readable .npz file: {fault}", hint='numpy.savez("capture.npz", x0=samples)'
            ) from fault
    size = sum(entry.file_size for entry in entries)
    if len(entries) > _MAX_MEMBERS or size > MAX_CAPTURE_BYTES:
        raise InputError(
            f"{path}: {len(entries)} arrays of {si_bytes(min(size, 1 << 60))}; "
            f"at most {_MAX_MEMBERS} of {si_bytes(MAX_CAPTURE_BYTES)} are taken"
        )
    return [entry.filename[:-4] for entry in entries]


def _members(path: Path, names: list[str], inputs: Sequence[Value]) -> list[str]:
    """Return the array that each input is read from."""
    for wanted in ([value.name for value in inputs], [f"x{index}" for index in range(len(inputs))]):
        if all(name in names for name in wanted):
            return wanted
    rest = [name for name in names if name != LABELS]
    if len(inputs) == len(rest) == 1:
        return rest
    expected = ", ".join(f"x{index} or {value.name!r}" for index, value in enumerate(inputs))
    raise InputError(f"{path}: expected the arrays {expected}; it holds {', '.join(sorted(names)[:20]) or 'none'}")


def _of_input(path: Path, member: str, value: Value) -> NDArray[Any]:
    """Return [samples, *shape of the input], in its dtype."""
    array = read_npz(path, member, MAX_CAPTURE_BYTES)
    without_batch = value.shape[1:] if value.shape[:1] == (1,) else None
    if array.ndim == 0 or array.shape[1:] not in (value.shape, without_batch):
        shapes = [value.shape] if without_batch is None else [value.shape, without_batch]
        expected = " or ".join(f"[samples, {', '.join(map(str, shape))}]" for shape in shapes)
        raise InputError(f"{path}[{member}]: shape {list(array.shape)}, expected {expected}")
    wanted = np.dtype(value.dtype)
    if array.dtype.kind != wanted.kind or (wanted.kind != "f" and array.dtype != wanted):
        raise InputError(
            f"{path}[{member}]: {array.dtype}, but input {value.name!r} is {wanted}",
            hint="save what the model is fed with, after all preprocessing",
        )
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        raise InputError(f"{path}[{member}]: sample {row} holds a number that is infinite or none")
    return array.reshape(-1, *value.shape).astype(wanted)


def _labels(path: Path, count: int) -> NDArray[np.int64]:
    labels = read_npz(path, LABELS, MAX_CAPTURE_BYTES)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}[{LABELS}]: {labels.dtype}{list(labels.shape)}, expected {count} integers, one for each sample"
        )
    return labels.astype(np.int64)
