"""Cases of `copy`: loops in every order, steps forwards, backwards and of 0, every element size."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from edge_sdk.abi import COPY_LOOPS
from tests.contract.kernel_case import Array, Case, Rng

#: Sizes of the loops; from one loop of one element to all eight.
SHAPES = ((2**14,), (1,), (7, 33), (16, 3), (3, 1, 65), (4, 5, 6), (2, 3, 4, 5), (2, 1, 3, 2, 2, 1, 2, 3))
ELEMENTS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


def cases(rng: Rng, kernel: str) -> Iterator[Case]:
    for element, dtype in ELEMENTS.items():
        for shape in SHAPES:
            for kind in ("plain", "order", "mixed"):
                yield _case(rng, kernel, f"{element} bytes, {kind} {shape}", shape, dtype, kind)


def _case(rng: Rng, kernel: str, label: str, shape: tuple[int, ...], dtype: Any, kind: str) -> Case:
    rank = len(shape)
    kinds = {"plain": (1,), "order": (1, 2), "mixed": (1, -1, 0, 2)}[kind]
    signs = [int(rng.choice(kinds)) for _ in shape]
    step_from, start_from = _steps(rng, shape, signs, shuffled=kind != "plain")
    extent = 1 + start_from + sum((n - 1) * max(s, 0) for n, s in zip(shape, step_from, strict=True))
    back = [1 if kind != "mixed" else int(rng.choice((1, -1))) for _ in shape]
    step_to, start_to = _steps(rng, shape, back, shuffled=kind == "mixed")
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, extent, dtype, endpoint=True)
    output = _copied(x, shape, (start_from, step_from), (start_to, step_to))
    fields: dict[str, Any] = {"element": x.itemsize, "input_start": start_from, "output_start": start_to}
    for loop in range(COPY_LOOPS):
        axis = loop - (COPY_LOOPS - rank)
        fields[f"size_{loop}"] = shape[axis] if axis >= 0 else 1
        fields[f"from_{loop}"] = step_from[axis] if axis >= 0 else 0
        fields[f"to_{loop}"] = step_to[axis] if axis >= 0 else 0
    return Case(kernel, label, {"input": x}, output, fields)


def _steps(rng: Rng, shape: tuple[int, ...], factors: list[int], *, shuffled: bool) -> tuple[list[int], int]:
    """Return steps that give each index an element of its own (but for factor 0), and where they start."""
    order = list(rng.permutation(len(shape))) if shuffled else list(range(len(shape)))
    steps, extent = [0] * len(shape), 1
    for axis in reversed(order):
        steps[axis] = extent * factors[axis]
        extent *= shape[axis] * max(abs(factors[axis]), 1)
    return steps, sum((n - 1) * max(-step, 0) for n, step in zip(shape, steps, strict=True))


def _copied(x: Array, shape: tuple[int, ...], from_: tuple[int, list[int]], to: tuple[int, list[int]]) -> Array:
    """Return the output, index by index; every element of it is written."""
    places = [np.full(shape, start) for start, _ in (from_, to)]
    for axis, grid in enumerate(np.indices(shape)):
        places[0] = places[0] + grid * from_[1][axis]
        places[1] = places[1] + grid * to[1][axis]
    output = np.zeros(prod(shape), x.dtype)
    output[places[1].ravel()] = x[places[0].ravel()]
    return output
