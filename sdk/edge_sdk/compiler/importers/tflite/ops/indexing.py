"""Operators that pick elements by their indices, and those that resize images."""

from __future__ import annotations

from math import prod

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, constant_integers
from edge_sdk.compiler.ops.gather import GatherAttributes
from edge_sdk.compiler.ops.movement import normal_axis
from edge_sdk.compiler.ops.one_hot import OneHotAttributes
from edge_sdk.compiler.ops.op import require, require_shape
from edge_sdk.compiler.ops.resize import ResizeAttributes
from edge_sdk.compiler.ops.top_k import TopKAttributes


def _gather(operator: Operator) -> Translation:
    options, x, indices = schema.GatherOptions, operator.input(0), operator.input(1)
    axis: int = operator.number(options.UNION, options.AXIS, "i", 0)
    batch_dims: int = operator.number(options.UNION, options.BATCH_DIMS, "i", 0)
    axis = normal_axis(axis, len(x.shape))
    batch_dims = batch_dims + len(indices.shape) if batch_dims < 0 else batch_dims
    require(
        0 <= batch_dims <= min(axis, len(indices.shape)) and x.shape[:batch_dims] == indices.shape[:batch_dims],
        f"{batch_dims} batch dimensions of {list(x.shape)} and {list(indices.shape)}",
    )
    wanted = indices.shape[batch_dims:]
    require_shape(operator.output(), (*x.shape[:axis], *wanted, *x.shape[axis + 1 :]))
    batch, outer = prod(x.shape[:batch_dims]), prod(x.shape[batch_dims:axis])
    attributes = GatherAttributes(batch, outer, (x.shape[axis],), prod(x.shape[axis + 1 :]), prod(wanted))
    return "gather", [x, indices], attributes


def _gather_nd(operator: Operator) -> Translation:
    x, indices = operator.input(0), operator.input(1)
    require(len(indices.shape) >= 1, "indices without a dimension")
    *count, depth = indices.shape
    require(depth <= len(x.shape), f"tuples of {depth} indices for {len(x.shape)} dimensions")
    require_shape(operator.output(), (*count, *x.shape[depth:]))
    attributes = GatherAttributes(1, 1, x.shape[:depth], prod(x.shape[depth:]), prod(count))
    return "gather", [x, indices], attributes


def _embedding_lookup(operator: Operator) -> Translation:
    indices, x = operator.input(0), operator.input(1)
    require(len(indices.shape) == 1 and len(x.shape) >= 2, f"indices {list(indices.shape)} of {list(x.shape)}")
    require(_same_type(x, operator.output()), f"{x.dtype} rows that are dequantised")
    require_shape(operator.output(), (*indices.shape, *x.shape[1:]))
    attributes = GatherAttributes(1, 1, x.shape[:1], prod(x.shape[1:]), indices.elements)
    return "gather", [x, indices], attributes


def _same_type(a: Value, b: Value) -> bool:
    return a.dtype == b.dtype


def _size(operator: Operator) -> tuple[int, int]:
    size = operator.input(1)
    if size.is_constant:
        numbers = constant_integers(size, "sizes")
        require(len(numbers) == 2, f"{len(numbers)} sizes, expected 2")
        return numbers[0], numbers[1]
    shape = operator.output().shape  # taken on trust, as reshape's
    require(len(shape) == 4, f"output of {len(shape)} dimensions, expected 4")
    return shape[1], shape[2]


def _resize_bilinear(operator: Operator) -> Translation:
    options = schema.ResizeBilinearOptions
    corners: bool = operator.number(options.UNION, options.ALIGN_CORNERS, "?", False)
    half: bool = operator.number(options.UNION, options.HALF_PIXEL_CENTERS, "?", False)
    return "resize_bilinear", operator.inputs[:1], ResizeAttributes(*_size(operator), corners, half)


def _resize_nearest(operator: Operator) -> Translation:
    options = schema.ResizeNearestNeighborOptions
    corners: bool = operator.number(options.UNION, options.ALIGN_CORNERS, "?", False)
    half: bool = operator.number(options.UNION, options.HALF_PIXEL_CENTERS, "?", False)
    return "resize_nearest", operator.inputs[:1], ResizeAttributes(*_size(operator), corners, half)


def _top_k(operator: Operator) -> Translation:
    counts = constant_integers(operator.input(1), "counts")
    require(len(counts) == 1, f"{len(counts)} counts, expected 1")
    return "top_k", operator.inputs[:1], TopKAttributes(counts[0])


def _one_hot(operator: Operator) -> Translation:
    depths = constant_integers(operator.input(1), "depths")
    require(len(depths) == 1, f"{len(depths)} depths, expected 1")
    axis: int = operator.number(schema.OneHotOptions.UNION, schema.OneHotOptions.AXIS, "i", 0)
    indices = operator.input(0)
    axis = len(indices.shape) if axis == -1 else axis
    require(0 <= axis <= len(indices.shape), f"axis {axis} of {len(indices.shape)} dimensions")
    return "one_hot", [indices, operator.input(2), operator.input(3)], OneHotAttributes(axis, depths[0])


OPERATORS: dict[str, Row] = {
    "EMBEDDING_LOOKUP": _embedding_lookup,
    "GATHER": _gather,
    "GATHER_ND": _gather_nd,
    "ONE_HOT": _one_hot,
    "RESIZE_BILINEAR": _resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
    "TOPK_V2": _top_k,
}
