from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.errors import InputError
from edge_sdk.sensors.array_file import npy_bytes, read_npy, read_npz

VALUES = np.random.default_rng(1).integers(0, 256, 4000, np.uint8)


def npy(shape: str, dtype: str = "<f4", content: bytes = b"") -> bytes:
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_any_compression_is_an_input_error(tmp_path: Path, compression: int) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", compression) as archive:
        archive.writestr("a.npy", npy_bytes(VALUES))
    path, rng, refused = tmp_path / "x.npz", random.Random(1), 0
    for _ in range(60):
        damaged = bytearray(whole.getvalue())
        damaged[rng.randrange(60, len(damaged) - 100)] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            read_npz(path, None)
        except InputError:
            refused += 1
    assert refused > 30
    path.write_bytes(whole.getvalue())
    np.testing.assert_array_equal(read_npz(path, None), VALUES)


@pytest.mark.parametrize(
    "shape",
    ["(0, 1000000000000000000000000000000)", "(0, 4611686018427387904, 4)", str((1,) * 65), "(-1, -4)", "(True,)"],
)
def test_a_shape_no_array_can_have_is_an_input_error(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy(shape, content=b"\0" * 16))
    with pytest.raises(InputError, match=r"x\.npy: not a \.npy array"):
        read_npy(path)


def test_more_than_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy("(1000000000000,)"))
    with pytest.raises(InputError, match="at most"):
        read_npy(path)
