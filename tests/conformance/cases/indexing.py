"""Slices picked by their indices, and images of another size."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import CLOSE, EXACT, Added, Case, Row
from tests.conformance.cases.movement import steps_of
from tests.unit.compiler import tflite_writer as tflite


def _indices(case: Case, shape: tuple[int, ...], limit: int, dtype: str) -> int:
    """Return indices that are computed or constant."""
    if case.size(0, 3):
        return case.input("indices", shape, dtype, low=0, high=limit - 1)
    return case.integers("indices", case.rng.integers(0, limit, shape), dtype)


def _gather(case: Case) -> Added:
    shape = tuple(case.size(1, 6) for _ in range(case.size(1, 4)))
    axis = case.size(0, len(shape) - 1)
    batch_dims = case.choice((0, 0, case.size(0, axis)))
    wanted = tuple(case.size(1, 4) for _ in range(case.size(0 if batch_dims else 1, 2)))
    x = case.input("x", shape, **case.steps())
    indices = _indices(case, shape[:batch_dims] + wanted, shape[axis], case.choice(("int32", "int64")))
    y = case.tensor("y", (*shape[:axis], *wanted, *shape[axis + 1 :]), **steps_of(case, x))
    given = axis - len(shape) if case.size(0, 1) else axis
    options = tflite.options(schema.GatherOptions, AXIS=("i", given), BATCH_DIMS=("i", batch_dims))
    return case.operator("GATHER", [x, indices], [y], **options)


def _gather_nd(case: Case) -> Added:
    shape = tuple(case.size(1, 5) for _ in range(case.size(1, 4)))
    depth = case.size(1, len(shape))
    count = tuple(case.size(1, 4) for _ in range(case.size(1, 2)))
    x = case.input("x", shape, **case.steps())
    dtype = case.choice(("int32", "int64"))
    if case.size(0, 1):
        table = np.stack([case.rng.integers(0, limit, count) for limit in shape[:depth]], axis=-1)
        indices = case.integers("indices", table, dtype)
    else:  # what is drawn for one input has one bound
        indices = case.input("indices", (*count, depth), dtype, low=0, high=min(shape[:depth]) - 1)
    y = case.tensor("y", (*count, *shape[depth:]), **steps_of(case, x))
    return case.operator("GATHER_ND", [x, indices], [y])


def _embedding_lookup(case: Case) -> Added:
    rows, width, count = case.size(1, 9), (case.size(1, 5), case.size(1, 9)), case.size(1, 7)
    data = case.rng.normal(0, 1, (rows, *width)).astype(np.float32)
    indices = case.input("indices", (count,), "int32", low=0, high=rows - 1)
    y = case.tensor("y", (count, *width))
    return case.operator("EMBEDDING_LOOKUP", [indices, case.constant("rows", data)], [y])


def _resize(case: Case, operator: str, table: Any, *, both: bool) -> Added:
    """Some images are enlarged or shrunk by whole factors, where many pixels lie exactly between two."""
    height, width, depth = case.size(1, 9), case.size(1, 9), case.size(1, 5)
    size = (case.size(1, 20), case.size(1, 20))
    if case.size(0, 1):
        size = (height * case.size(1, 4), width * case.size(1, 4))
    corners = case.size(0, 1)
    half = case.size(0, 1) if both or not corners else 0
    x = case.input("x", (case.size(1, 2), height, width, depth), **case.steps())
    y = case.tensor("y", (case.shape(x)[0], *size, depth), **steps_of(case, x))
    options = tflite.options(table, ALIGN_CORNERS=("?", corners), HALF_PIXEL_CENTERS=("?", half))
    return case.operator(operator, [x, case.integers("size", size)], [y], **options)


def _resize_bilinear(case: Case) -> Added:
    return _resize(case, "RESIZE_BILINEAR", schema.ResizeBilinearOptions, both=False)


def _resize_nearest(case: Case) -> Added:
    return _resize(case, "RESIZE_NEAREST_NEIGHBOR", schema.ResizeNearestNeighborOptions, both=False)


def _top_k(case: Case) -> Added:
    """Few values, so that many are equal."""
    shape = (*(case.size(1, 4) for _ in range(case.size(0, 2))), case.size(1, 40))
    k = case.size(1, shape[-1])
    steps = case.steps()
    x = case.input("x", shape, low=-5 if case.dtype != "uint8" else 0, high=9, **steps)
    values = case.tensor("values", (*shape[:-1], k), **steps)
    indices = case.tensor("indices", (*shape[:-1], k), "int32")
    return case.operator("TOPK_V2", [x, case.integers("k", k)], [values, indices], **tflite.options(schema.TopKOptions))


def _one_hot(case: Case) -> Added:
    shape = tuple(case.size(1, 5) for _ in range(case.size(1, 3)))
    depth, axis = case.size(1, 9), case.size(-1, len(shape))
    indices = case.input("indices", shape, case.choice(("int32", "int64")), low=-2, high=depth + 1)
    values = case.rng.integers(0, 2, 2) if case.dtype == "bool" else case.rng.integers(-9, 9, 2)
    on, off = (case.constant(role, values[at].astype(case.dtype)) for at, role in enumerate(("on", "off")))
    at = len(shape) if axis == -1 else axis
    y = case.tensor("y", (*shape[:at], depth, *shape[at:]))
    options = tflite.options(schema.OneHotOptions, AXIS=("i", axis))
    return case.operator("ONE_HOT", [indices, case.integers("depth", depth), on, off], [y], **options)


CASES = {
    "gather": Row(_gather, ("int8", "uint8", "int16", "float32", "int32", "int64", "bool"), EXACT, scale_matters=False),
    "gather embedding_lookup": Row(_embedding_lookup, ("float32",), EXACT),
    "gather nd": Row(_gather_nd, ("int8", "uint8", "int16", "float32", "int32", "int64"), EXACT, scale_matters=False),
    "one_hot": Row(_one_hot, ("int8", "uint8", "float32", "int32", "int64", "bool"), EXACT, scale_matters=False),
    "resize_bilinear": Row(_resize_bilinear, ("int8", "uint8", "int16", "float32"), CLOSE, scale_matters=False),
    "resize_nearest": Row(_resize_nearest, ("int8", "uint8", "int16", "float32"), EXACT, scale_matters=False),
    "top_k": Row(_top_k, ("int8", "uint8", "int16", "float32", "int32", "int64"), EXACT, scale_matters=False),
}
