"""Inputs for a benchmark: seeded, so that every engine and every run sees the same numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.tensor import TensorSpec

SEED = 20260101


def random_inputs(specs: Iterable[TensorSpec], seed: int = SEED) -> list[NDArray[Any]]:
    """Return one array for each spec: the whole range of integer types, a standard normal for floats."""
    source = np.random.default_rng(seed)
    return [_random(source, spec) for spec in specs]


def _random(source: np.random.Generator, spec: TensorSpec) -> NDArray[Any]:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return source.standard_normal(spec.shape).astype(dtype)
    limits = np.iinfo(dtype)
    return source.integers(limits.min, limits.max, spec.shape, dtype, endpoint=True)
