"""Operators that move elements or show them under another shape."""

from __future__ import annotations

from math import prod

import numpy as np

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, constant_integers
from edge_sdk.compiler.importers.tflite.ops.strided_slice import strided_slice
from edge_sdk.compiler.ops.broadcast import BroadcastAttributes
from edge_sdk.compiler.ops.concat import ConcatAttributes
from edge_sdk.compiler.ops.constant import ConstantAttributes
from edge_sdk.compiler.ops.mirror_pad import MirrorPadAttributes
from edge_sdk.compiler.ops.movement import normal_axis
from edge_sdk.compiler.ops.op import require, require_shape
from edge_sdk.compiler.ops.pad import PadAttributes
from edge_sdk.compiler.ops.reverse_sequence import ReverseSequenceAttributes
from edge_sdk.compiler.ops.slice import SliceAttributes
from edge_sdk.compiler.ops.space_to_batch import BlockAttributes
from edge_sdk.compiler.ops.split import SplitAttributes
from edge_sdk.compiler.ops.transpose import TransposeAttributes
from edge_sdk.errors import ModelError

#: MirrorPadMode.
REFLECT, SYMMETRIC = 0, 1


def _reshape(operator: Operator) -> Translation:
    """The stored output shape decides; a constant target shape must agree, a computed one is taken on trust.

    Without its second input the operator no longer needs the SHAPE, STRIDED_SLICE and PACK that often compute it.
    """
    x, output = operator.input(0), operator.output()
    target = operator.inputs[1] if len(operator.inputs) > 1 else None
    if target is not None and target.is_constant:
        wanted = list(constant_integers(target, "shape"))
        if wanted.count(-1) == 1:
            rest = -prod(wanted)
            require(rest > 0 and x.elements % rest == 0, f"reshape of {list(x.shape)} to {wanted}")
            wanted[wanted.index(-1)] = x.elements // rest
        require(wanted == list(output.shape), f"reshape to {wanted}, but its output is {list(output.shape)}")
    return "reshape", [x], None


def _same_bytes(operator: Operator) -> Translation:
    return "reshape", [operator.input(0)], None


def _transpose(operator: Operator) -> Translation:
    x, order = operator.input(0), constant_integers(operator.input(1), "axes")
    order = tuple(normal_axis(axis, len(x.shape)) for axis in order)
    require(sorted(order) == list(range(len(x.shape))), f"order {list(order)} of {len(x.shape)} dimensions")
    require_shape(operator.output(), tuple(x.shape[axis] for axis in order))
    return "transpose", [x], TransposeAttributes(x.shape, order)


def _blocks(operator: Operator, options: type[schema.SpaceToDepthOptions] | type[schema.DepthToSpaceOptions]) -> int:
    require(len(operator.input(0).shape) == 4, "tensors that are not 4-dimensional")
    block: int = operator.number(options.UNION, options.BLOCK_SIZE, "i", 0)
    require(block >= 1, f"blocks of {block}")
    return block


def _space_to_depth(operator: Operator) -> Translation:
    block = _blocks(operator, schema.SpaceToDepthOptions)
    n, h, w, c = operator.input(0).shape
    require(h % block == 0 and w % block == 0, f"an image of {h}x{w} in blocks of {block}")
    require_shape(operator.output(), (n, h // block, w // block, block * block * c))
    fine = (n, h // block, block, w // block, block, c)
    return "transpose", operator.inputs, TransposeAttributes(fine, (0, 1, 3, 2, 4, 5))


def _depth_to_space(operator: Operator) -> Translation:
    block = _blocks(operator, schema.DepthToSpaceOptions)
    n, h, w, c = operator.input(0).shape
    require(c % (block * block) == 0, f"{c} channels in blocks of {block}x{block}")
    require_shape(operator.output(), (n, h * block, w * block, c // (block * block)))
    fine = (n, h, w, block, block, c // (block * block))
    return "transpose", operator.inputs, TransposeAttributes(fine, (0, 1, 3, 2, 4, 5))


def _slice(operator: Operator) -> Translation:
    x = operator.input(0)
    begin = constant_integers(operator.input(1), "begins")
    size = constant_integers(operator.input(2), "sizes")
    require(len(begin) == len(size) == len(x.shape), f"a slice of other rank than {list(x.shape)}")
    size = tuple(
        extent - first if count == -1 else count for extent, first, count in zip(x.shape, begin, size, strict=True)
    )
    require_shape(operator.output(), size)
    return "slice", [x], SliceAttributes(begin, (1,) * len(size), size)


def _reverse(operator: Operator) -> Translation:
    x = operator.input(0)
    axes = {normal_axis(axis, len(x.shape)) for axis in constant_integers(operator.input(1), "axes")}
    begin = tuple(size - 1 if axis in axes else 0 for axis, size in enumerate(x.shape))
    step = tuple(-1 if axis in axes else 1 for axis in range(len(x.shape)))
    require_shape(operator.output(), x.shape)
    return "slice", [x], SliceAttributes(begin, step, x.shape)


def _reverse_sequence(operator: Operator) -> Translation:
    options, lengths = schema.ReverseSequenceOptions, operator.input(1)
    if lengths.data is None:
        raise ModelError("lengths that are not constant")
    require(lengths.dtype in ("int32", "int64") and lengths.elements <= 1 << 16, f"lengths {lengths}")
    axis: int = operator.number(options.UNION, options.SEQ_DIM, "i", 0)
    batch_axis: int = operator.number(options.UNION, options.BATCH_DIM, "i", 0)
    attributes = ReverseSequenceAttributes(tuple(int(n) for n in lengths.data.ravel()), axis, batch_axis)
    return "reverse_sequence", operator.inputs[:1], attributes


def _pairs(value: Value, rank: int) -> PadAttributes:
    """Return (before, after) of each dimension from a constant [rank, 2]."""
    if value.data is None:
        raise ModelError("paddings that are not constant")
    require(value.dtype in ("int32", "int64"), f"paddings of {value.dtype}")
    require(value.shape == (rank, 2), f"paddings of shape {list(value.shape)}, expected [{rank}, 2]")
    return PadAttributes(tuple(int(n) for n in value.data[:, 0]), tuple(int(n) for n in value.data[:, 1]))


def _pad(operator: Operator) -> Translation:
    x = operator.input(0)
    return "pad", [x, *operator.inputs[2:3]], _pairs(operator.input(1), len(x.shape))


def _mirror_pad(operator: Operator) -> Translation:
    x = operator.input(0)
    mode: int = operator.number(schema.MirrorPadOptions.UNION, schema.MirrorPadOptions.MODE, "b", REFLECT)
    require(mode in (REFLECT, SYMMETRIC), f"mode {mode}")
    return "mirror_pad", [x], MirrorPadAttributes(_pairs(operator.input(1), len(x.shape)), mode == SYMMETRIC)


def _concatenation(operator: Operator) -> Translation:
    options = schema.ConcatenationOptions
    activation: int = operator.number(options.UNION, options.ACTIVATION, "b", 0)
    require(activation == 0, f"fused activation {activation}")
    axis: int = operator.number(options.UNION, options.AXIS, "i", 0)
    return "concat", operator.inputs, ConcatAttributes(normal_axis(axis, len(operator.input(0).shape)))


def _pack(operator: Operator) -> Translation:
    axis: int = operator.number(schema.PackOptions.UNION, schema.PackOptions.AXIS, "i", 0)
    axis = normal_axis(axis, len(operator.input(0).shape) + 1)
    return "concat", operator.inputs, ConcatAttributes(axis, stacked=True)


def _unpack(operator: Operator) -> Translation:
    axis: int = operator.number(schema.UnpackOptions.UNION, schema.UnpackOptions.AXIS, "i", 0)
    return "split", operator.inputs, SplitAttributes(axis, (1,) * len(operator.outputs), dropped=True)


def _split(operator: Operator) -> Translation:
    (axis,) = _one(operator.input(0), "axis")
    x, count = operator.input(1), len(operator.outputs)
    size = x.shape[normal_axis(axis, len(x.shape))]
    require(count >= 1 and size % count == 0, f"{size} elements in {count} parts")
    return "split", [x], SplitAttributes(axis, (size // count,) * count)


def _split_v(operator: Operator) -> Translation:
    (axis,) = _one(operator.input(2), "axis")
    x, sizes = operator.input(0), operator.input(1)
    if sizes.data is None:
        raise ModelError("sizes that are not constant")
    require(sizes.dtype in ("int32", "int64"), f"sizes of {sizes.dtype}")
    require(sizes.elements == len(operator.outputs), f"{sizes.elements} sizes of {len(operator.outputs)} parts")
    parts = [int(size) for size in sizes.data.ravel()]
    if parts.count(-1) == 1:
        parts[parts.index(-1)] += x.shape[normal_axis(axis, len(x.shape))] - sum(parts)
    return "split", [x], SplitAttributes(axis, tuple(parts))


def _one(value: Value, what: str) -> tuple[int, ...]:
    numbers = constant_integers(value, what)
    require(len(numbers) == 1, f"{len(numbers)} of {what}, expected 1")
    return numbers


def _tile(operator: Operator) -> Translation:
    x, times = operator.input(0), constant_integers(operator.input(1), "multiples")
    require(len(times) == len(x.shape) and min(times, default=1) >= 1, f"{list(times)} times {list(x.shape)}")
    require_shape(operator.output(), tuple(a * b for a, b in zip(times, x.shape, strict=True)))
    shape = tuple(size for old in x.shape for size in (1, old))
    target = tuple(size for pair in zip(times, x.shape, strict=True) for size in pair)
    return "broadcast", [x], BroadcastAttributes(shape, target)


def _broadcast_to(operator: Operator) -> Translation:
    x, target = operator.input(0), constant_integers(operator.input(1), "shape")
    require_shape(operator.output(), target)
    return "broadcast", [x], BroadcastAttributes(x.shape, target)


def _fill(operator: Operator) -> Translation:
    """A computed shape is taken on trust, as reshape's."""
    dims, value, output = operator.input(0), operator.input(1), operator.output()
    if dims.is_constant:
        require_shape(output, constant_integers(dims, "shape"))
    require(value.elements == 1, f"a value of {value.elements} elements")
    return "broadcast", [value], BroadcastAttributes((), output.shape)


def _zeros_like(operator: Operator) -> Translation:
    """Zeros are no steps but numbers: a quantised tensor's are refused, as by the reference."""
    x, output = operator.input(0), operator.output()
    require(x.dtype in ("float32", "int32", "int64") and output.dtype == x.dtype, f"{x.dtype} tensors")
    zero = Value(f"{output.name} (zero)", x.dtype, (), data=np.zeros((), x.dtype))
    return "broadcast", [zero], BroadcastAttributes((), x.shape)


def _space_to_batch(operator: Operator) -> Translation:
    blocks = constant_integers(operator.input(1), "blocks")
    padding = _pairs(operator.input(2), len(blocks))
    return "space_to_batch", operator.inputs[:1], BlockAttributes(blocks, padding.before, padding.after)


def _batch_to_space(operator: Operator) -> Translation:
    blocks = constant_integers(operator.input(1), "blocks")
    crop = _pairs(operator.input(2), len(blocks))
    return "batch_to_space", operator.inputs[:1], BlockAttributes(blocks, crop.before, crop.after)


def _known(operator: Operator, numbers: tuple[int, ...] | int) -> Translation:
    output = operator.output()
    require(output.dtype in ("int32", "int64"), f"{output.dtype} tensors")
    return "constant", [], ConstantAttributes(np.array(numbers, output.dtype))


def _shape(operator: Operator) -> Translation:
    return _known(operator, operator.input(0).shape)


def _rank(operator: Operator) -> Translation:
    return _known(operator, len(operator.input(0).shape))


def _broadcast_args(operator: Operator) -> Translation:
    a, b = (constant_integers(operator.input(index), "shapes") for index in (0, 1))
    try:
        shape = np.broadcast_shapes(a, b)
    except ValueError:
        raise ModelError(f"shapes {list(a)} and {list(b)} do not go together") from None
    return _known(operator, shape)


OPERATORS: dict[str, Row] = {
    "BATCH_TO_SPACE_ND": _batch_to_space,
    "BROADCAST_ARGS": _broadcast_args,
    "BROADCAST_TO": _broadcast_to,
    "CONCATENATION": _concatenation,
    "DEPTH_TO_SPACE": _depth_to_space,
    "EXPAND_DIMS": _same_bytes,
    "FILL": _fill,
    "MIRROR_PAD": _mirror_pad,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "RANK": _rank,
    "RESHAPE": _reshape,
    "REVERSE_SEQUENCE": _reverse_sequence,
    "REVERSE_V2": _reverse,
    "SHAPE": _shape,
    "SLICE": _slice,
    "SPACE_TO_BATCH_ND": _space_to_batch,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "SQUEEZE": _same_bytes,
    "STRIDED_SLICE": strided_slice,
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "UNPACK": _unpack,
    "ZEROS_LIKE": _zeros_like,
}
