"""Golden vectors: a seeded question to each model and its recorded answer, to be asked again on the device.

Inputs are not stored. SHAKE-256 of "seed/index" gives their bytes, on every machine and for ever: integers take them
as they are, floats take two bytes each as a number in [-1, 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import VerificationError
from firmware_tools.bundle.engine_process import edge_sdk
from firmware_tools.bundle.manifest import Golden, GoldenInput
from firmware_tools.bundle.module_facts import ModuleFacts
from firmware_tools.bundle.writer import Content

SEED = "edge-sdk golden 1"
MAX_ELEMENTS = 1 << 28
#: Of the output's range; what float kernels of different machines may differ by.
CLOSE = 1e-5
Run = Callable[..., None]


def seeded_input(seed: str, index: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return input number `index` of a golden vector."""
    count = prod(shape)
    if count > MAX_ELEMENTS:
        raise VerificationError(f"golden vector: an input of {count:,} elements is too large")
    shake = hashlib.shake_256(f"{seed}/{index}".encode())
    if dtype == "float32":
        words = np.frombuffer(shake.digest(2 * count), "<i2")
        halves: NDArray[np.float32] = words.astype(np.float32) / np.float32(32768)
        return halves.reshape(shape)
    kind = np.dtype(dtype).newbyteorder("<")
    values = np.frombuffer(shake.digest(kind.itemsize * count), np.uint8 if dtype == "bool" else kind)
    array: NDArray[Any] = ((values & 1) if dtype == "bool" else values).astype(dtype)
    return array.reshape(shape)


def record(
    model: str, source: Path, facts: ModuleFacts, folder: Path, run: Run = edge_sdk
) -> tuple[Golden, list[Content]]:
    """Ask the model and return the vector with its files.

    Args:
        model: the module's path in the bundle.
        source: the module.
        folder: for the files; must live until the bundle is written.
    """
    arguments: list[str | Path] = ["run", source.absolute(), "--engine", "sandbox"]
    inputs, contents = [], []
    stem = Path(model).stem
    for index, (dtype, shape) in enumerate(facts.inputs):
        array = seeded_input(SEED, index, dtype, shape)
        inputs.append(GoldenInput(dtype=dtype, shape=shape, sha256=digest(array)))  # type: ignore[arg-type]
        np.save(folder / f"{stem}.in{index}.npy", array, allow_pickle=False)
        arguments += ["--input", folder / f"{stem}.in{index}.npy"]
    for index in range(len(facts.outputs)):
        path = folder / f"{stem}.out{index}.npy"
        arguments += ["--output", path]
        contents.append(Content(f"golden/{stem}/{index}.npy", "golden", path))
    run(*arguments, folder=folder)
    golden = Golden(
        model=model,
        seed=SEED,
        inputs=tuple(inputs),
        outputs=tuple(content.path for content in contents),
        compare="exact" if facts.exact else "close",
    )
    return golden, contents


def digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes, little-endian, in C order."""
    return hashlib.sha256(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def agrees(golden: Golden, expected: NDArray[Any], got: NDArray[Any]) -> bool:
    """Return whether a device's answer is the recorded one, as closely as the vector asks."""
    if expected.dtype != got.dtype or expected.shape != got.shape:
        return False
    if golden.compare == "exact":
        return expected.tobytes() == got.tobytes()
    if expected.dtype.kind != "f":
        return bool(np.all(np.abs(expected.astype(np.int64) - got.astype(np.int64)) <= 1))
    if not expected.size:
        return True
    span = float(np.max(expected) - np.min(expected)) or 1.0
    return bool(np.all(np.isfinite(got)) and np.max(np.abs(expected - got)) <= CLOSE * span)
