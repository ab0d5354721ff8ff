from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_sdk.compiler.graph import Value
from edge_sdk.errors import EdgeError, InputError, TargetNotFoundError
from edge_sdk.quantization.capture import read_capture

X = Value("x", "float32", (1, 2, 3))
K = Value("k", "int32", (1, 4))
GOOD = np.arange(5 * 6, dtype=np.float32).reshape(5, 2, 3)


def saved(folder: Path, **arrays: np.ndarray) -> Path:
    path = folder / "capture.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("name", ["x", "x0", "anything"])
@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 1, 2, 3)])
def test_one_input_may_have_any_name_and_its_batch_or_not(tmp_path: Path, name: str, shape: tuple[int, ...]):
    capture = read_capture(saved(tmp_path, **{name: GOOD.reshape(shape)}), [X])
    assert len(capture.samples) == 5
    assert np.array_equal(capture.samples[2][0], GOOD[2:3])
    assert capture.labels is None


def test_several_inputs_go_by_name_or_by_number(tmp_path: Path):
    numbers = np.ones((5, 4), np.int32)
    for arrays in ({"x": GOOD, "k": numbers}, {"x0": GOOD, "x1": numbers}):
        first = read_capture(saved(tmp_path, **arrays), [X, K]).samples[0]
        assert [array.dtype.name for array in first] == ["float32", "int32"]


def test_labels_come_along_and_doubles_become_floats(tmp_path: Path):
    capture = read_capture(saved(tmp_path, x=GOOD.astype(np.float64), labels=np.arange(5)), [X])
    assert np.array_equal(capture.labels, np.arange(5))
    assert capture.samples[0][0].dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"x": GOOD[:, :1]}, r"shape \[5, 1, 3\], expected \[samples, 1, 2, 3\] or \[samples, 2, 3\]"),
        ({"x": np.float32(3)}, r"shape \[\], expected"),
        ({"x": GOOD.astype(np.int16)}, "int16, but input 'x' is float32"),
        ({"x": np.where(GOOD == 13, np.nan, GOOD)}, "sample 2 holds a number that is infinite or none"),
        ({"x": GOOD[:0]}, "0 samples, expected 1 to"),
        ({"x": GOOD, "labels": np.arange(4)}, r"labels\]: int64\[4\], expected 5 integers"),
        ({"x": GOOD, "labels": np.zeros(5)}, r"float64\[5\], expected 5 integers"),
        ({"y": GOOD, "z": GOOD}, "expected the arrays x0 or 'x'; it holds y, z"),
        ({}, "it holds none"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_sides(tmp_path: Path, arrays: dict[str, np.ndarray], text: str):
    with pytest.raises(InputError, match=text):
        read_capture(saved(tmp_path, **arrays), [X])


def test_arrays_of_different_lengths_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="x: 5, k: 3"):
        read_capture(saved(tmp_path, x=GOOD, k=np.ones((3, 4), np.int32)), [X, K])


def test_objects_are_never_unpickled(tmp_path: Path):
    path = tmp_path / "capture.npz"
    np.savez(path, x=np.array([{}], object))
    with pytest.raises(InputError, match="expected numbers"):
        read_capture(path, [X])


def test_no_damage_raises_anything_but_our_errors(tmp_path: Path):
    whole = saved(tmp_path, x=GOOD, labels=np.arange(5)).read_bytes()
    rng = np.random.default_rng(6)
    path = tmp_path / "damaged.npz"
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(whole))] if rng.random() < 0.3 else damaged)
        try:
            read_capture(path, [X])
        except EdgeError:
            refused += 1
    assert refused > 100


def test_an_absent_file_is_a_target_not_found(tmp_path: Path):
    with pytest.raises(TargetNotFoundError):
        read_capture(tmp_path / "none.npz", [X])
