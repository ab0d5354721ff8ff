"""Bytes under another shape or in another order."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import EXACT, Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite

#: SqueezeOptions of the schema: its number in the union, and its field.
SQUEEZE_OPTIONS, SQUEEZE_DIMS = 30, 0
NUMBERS = ("int8", "uint8", "int16", "float32", "int32", "int64")
PLAIN = (*NUMBERS, "bool")
IMAGES = ("int8", "uint8", "float32", "int32", "int64")


def _shape(case: Case, least: int = 1, most: int = 5) -> tuple[int, ...]:
    return tuple(case.size(1, 6) for _ in range(case.size(least, most)))


def _moved(case: Case, operator: str, x: int, shape: Any, more: list[int], **options: Any) -> Added:
    """Add the operator, whose output has the input's steps."""
    y = case.tensor("y", tuple(int(size) for size in shape), **steps_of(case, x))
    return case.operator(operator, [x, *more], [y], **options)


def steps_of(case: Case, x: int) -> dict[str, Any]:
    table = case.model.tensors[x].fields.get(schema.Tensor.QUANTIZATION)
    if table is None:
        return {}
    fields = table.fields
    names = {
        "scales": schema.QuantizationParameters.SCALE,
        "zero_points": schema.QuantizationParameters.ZERO_POINT,
    }
    return {name: list(fields[slot]) for name, slot in names.items()}


def _x(case: Case, shape: tuple[int, ...]) -> int:
    return case.input("x", shape, **case.steps())


def _reshape(case: Case) -> Added:
    a, b = case.size(1, 9), case.size(1, 9)
    return _moved(case, "RESHAPE", _x(case, (a, b)), (b, a, 1), [case.integers("shape", [b, -1, 1])])


def _squeeze(case: Case) -> Added:
    shape = (1, case.size(1, 9), 1, case.size(2, 9))
    axes = case.choice(((0, 2), (0,), (2,), (-2,)))
    left = tuple(size for axis, size in enumerate(shape) if axis not in {axis % 4 for axis in axes})
    options = {"options": {SQUEEZE_DIMS: np.array(axes, "<i4")}, "union": SQUEEZE_OPTIONS}
    return _moved(case, "SQUEEZE", _x(case, shape), left, [], **options)


def _expand_dims(case: Case) -> Added:
    shape = (case.size(1, 9), case.size(1, 9))
    axis = case.size(-3, 2)
    larger = list(shape)
    larger.insert(axis % 3, 1)
    return _moved(case, "EXPAND_DIMS", _x(case, shape), larger, [case.integers("axis", [axis])])


def _transpose(case: Case) -> Added:
    shape = _shape(case)
    order = case.rng.permutation(len(shape))
    return _moved(case, "TRANSPOSE", _x(case, shape), [shape[axis] for axis in order], [case.integers("order", order)])


def _space_to_depth(case: Case) -> Added:
    n, h, w, c, b = (case.size(1, 3) for _ in range(5))
    options = tflite.options(schema.SpaceToDepthOptions, BLOCK_SIZE=("i", b))
    return _moved(case, "SPACE_TO_DEPTH", _x(case, (n, h * b, w * b, c)), (n, h, w, b * b * c), [], **options)


def _depth_to_space(case: Case) -> Added:
    n, h, w, c, b = (case.size(1, 3) for _ in range(5))
    options = tflite.options(schema.DepthToSpaceOptions, BLOCK_SIZE=("i", b))
    return _moved(case, "DEPTH_TO_SPACE", _x(case, (n, h, w, b * b * c)), (n, h * b, w * b, c), [], **options)


def _slice(case: Case) -> Added:
    shape, dtype = _shape(case), case.choice(("int32", "int64"))
    begin = [case.size(0, size - 1) for size in shape]
    size = [case.size(1, size - first) for size, first in zip(shape, begin, strict=True)]
    asked = [
        -1 if first + count == extent and case.size(0, 1) else count
        for extent, first, count in zip(shape, begin, size, strict=True)
    ]
    lists = [case.integers("begin", begin, dtype), case.integers("size", asked, dtype)]
    return _moved(case, "SLICE", _x(case, shape), size, lists)


def _strided_slice(case: Case) -> Added:
    """An index as Python writes it, and the same one as lists with masks; numpy says the shape."""
    shape = _shape(case, 1, 4)
    index: list[Any] = []
    lists: list[list[int]] = [[], [], []]
    masks = {"BEGIN_MASK": 0, "END_MASK": 0, "ELLIPSIS_MASK": 0, "NEW_AXIS_MASK": 0, "SHRINK_AXIS_MASK": 0}
    ellipsis_at = case.size(0, len(shape)) if case.size(0, 2) == 0 else -1
    left_out = case.size(1, len(shape)) if ellipsis_at >= 0 else 0

    def entry(begin: int, end: int, stride: int, **bits: int) -> None:
        for name, bit in bits.items():
            masks[name] |= bit << len(lists[0])
        for numbers, number in zip(lists, (begin, end, stride), strict=True):
            numbers.append(number)

    axis = 0
    while axis < len(shape):
        if len(index) < 6 and case.size(0, 7) == 0:
            index.append(None)
            entry(case.size(-3, 3), case.size(-3, 3), 1, NEW_AXIS_MASK=1)
        if axis == ellipsis_at:
            index.append(...)
            entry(case.size(-3, 3), case.size(-3, 3), 1, ELLIPSIS_MASK=1)
            axis += left_out
            ellipsis_at = -1
            continue
        if axis > 0 and ellipsis_at < 0 and ... not in index and case.size(0, 5) == 0:
            break  # the dimensions that are not named are whole
        size = shape[axis]
        if case.size(0, 3) == 0:
            at = case.size(-size, size - 1)
            index.append(at)
            entry(at, at + 1, 1, SHRINK_AXIS_MASK=1)
        else:
            chosen = _part(case, size)
            begin, end = chosen.start, chosen.stop
            open_begin, open_end = int(begin is None), int(end is None)
            given = (case.size(-9, 9) if begin is None else begin, case.size(-9, 9) if end is None else end)
            entry(*given, chosen.step, BEGIN_MASK=open_begin, END_MASK=open_end)
            index.append(chosen)
        axis += 1
    result = np.empty(shape, np.int8)[tuple(index)].shape
    options = tflite.options(schema.StridedSliceOptions, **{name: ("i", mask) for name, mask in masks.items()})
    given_lists = [case.integers(role, numbers) for role, numbers in zip(("begin", "end", "step"), lists, strict=True)]
    return _moved(case, "STRIDED_SLICE", _x(case, shape), result, given_lists, **options)


def _part(case: Case, size: int) -> slice:
    """Return a slice of a dimension that is not empty; ends may be open, negative or outside."""
    while True:
        ends: list[int | None] = [case.size(-size - 2, size + 2) if case.size(0, 2) else None for _ in range(2)]
        chosen = slice(*ends, case.choice((1, 1, 2, 3, -1, -2)))
        if len(range(size)[chosen]):
            return chosen


def _reverse(case: Case) -> Added:
    shape = _shape(case, 1, 4)
    first = case.size(0, len(shape) - 1)  # the reference takes neighbouring axes only
    axes = list(range(first, case.size(first, len(shape) - 1) + 1))
    return _moved(case, "REVERSE_V2", _x(case, shape), shape, [case.integers("axes", axes)])


def _reverse_sequence(case: Case) -> Added:
    shape = _shape(case, 2, 4)
    axis, batch_axis = case.choice(((0, 1), (1, 0), (len(shape) - 1, 0)))
    lengths = [case.size(1, shape[axis]) for _ in range(shape[batch_axis])]
    options = tflite.options(schema.ReverseSequenceOptions, SEQ_DIM=("i", axis), BATCH_DIM=("i", batch_axis))
    return _moved(case, "REVERSE_SEQUENCE", _x(case, shape), shape, [case.integers("lengths", lengths)], **options)


def _padding(case: Case, rank: int, most: list[int]) -> np.ndarray:
    return np.array([[case.size(0, most[axis]), case.size(0, most[axis])] for axis in range(rank)], np.int32)


def _pad(case: Case) -> Added:
    shape = _shape(case, 1, 4)
    amounts = _padding(case, len(shape), [3] * len(shape))
    return _moved(case, "PAD", _x(case, shape), np.array(shape) + amounts.sum(1), [case.integers("around", amounts)])


def _pad_with(case: Case) -> Added:
    shape = _shape(case, 1, 4)
    amounts = _padding(case, len(shape), [3] * len(shape))
    x = _x(case, shape)
    info = (-3.5, 3.5) if case.dtype == "float32" else (0, 1) if case.dtype == "bool" else (0, 100)
    number = case.rng.uniform(*info) if case.dtype == "float32" else case.size(int(info[0]), int(info[1]))
    value = case.constant("value", np.array([number], case.dtype), **steps_of(case, x))
    around = case.integers("around", amounts)
    return _moved(case, "PADV2", x, np.array(shape) + amounts.sum(1), [around, value])


def _mirror_pad(case: Case) -> Added:
    shape = _shape(case, 1, 4)
    symmetric = case.size(0, 1)
    amounts = _padding(case, len(shape), [min(3, size - 1 + symmetric) for size in shape])
    options = tflite.options(schema.MirrorPadOptions, MODE=("b", symmetric))
    around = case.integers("around", amounts)
    return _moved(case, "MIRROR_PAD", _x(case, shape), np.array(shape) + amounts.sum(1), [around], **options)


def _concat(case: Case, *, own_steps: bool = False) -> Added:
    shape = _shape(case, 1, 4)
    axis, steps = case.size(-len(shape), len(shape) - 1), case.steps()
    inputs, total = [], 0
    for index in range(case.size(1, 4)):
        own = list(shape)
        own[axis] = case.size(1, 5)
        total += own[axis]
        inputs.append(case.input(f"x{index}", tuple(own), **(case.steps() if own_steps else steps)))
    whole = list(shape)
    whole[axis] = total
    y = case.tensor("y", tuple(whole), **steps)
    return case.operator("CONCATENATION", inputs, [y], **tflite.options(schema.ConcatenationOptions, AXIS=("i", axis)))


def _concat_rescaled(case: Case) -> Added:
    return _concat(case, own_steps=True)


def _pack(case: Case) -> Added:
    shape, steps, count = _shape(case, 1, 4), case.steps(), case.size(1, 4)
    axis = case.size(-len(shape) - 1, len(shape))
    whole = list(shape)
    whole.insert(axis % (len(shape) + 1), count)
    inputs = [case.input(f"x{index}", shape, **steps) for index in range(count)]
    options = tflite.options(schema.PackOptions, AXIS=("i", axis), VALUES_COUNT=("i", count))
    return case.operator("PACK", inputs, [case.tensor("y", tuple(whole), **steps)], **options)


def _parts(case: Case, x: int, axis: int, sizes: list[int]) -> list[int]:
    shape = list(case.shape(x))
    outputs = []
    for index, size in enumerate(sizes):
        shape[axis] = size
        outputs.append(case.tensor(f"y{index}", tuple(shape), **steps_of(case, x)))
    return outputs


def _split(case: Case) -> Added:
    shape, count = list(_shape(case, 1, 4)), case.size(1, 4)
    axis = case.size(-len(shape), len(shape) - 1)
    size = shape[axis]
    shape[axis] *= count
    x = _x(case, tuple(shape))
    options = {"options": {0: ("i", count)}, "union": 35}
    return case.operator("SPLIT", [case.integers("axis", axis), x], _parts(case, x, axis, [size] * count), **options)


def _split_v(case: Case) -> Added:
    shape = list(_shape(case, 1, 4))
    axis = case.size(-len(shape), len(shape) - 1)
    sizes = [case.size(1, 4) for _ in range(case.size(1, 4))]
    shape[axis] = sum(sizes)
    x = _x(case, tuple(shape))
    asked = [-1 if index == 0 and case.size(0, 1) else size for index, size in enumerate(sizes)]
    lists = [case.integers("sizes", asked), case.integers("axis", axis)]
    options = {"options": {0: ("i", len(sizes))}, "union": 79}
    return case.operator("SPLIT_V", [x, *lists], _parts(case, x, axis, sizes), **options)


def _unpack(case: Case) -> Added:
    shape = list(_shape(case, 1, 4))
    axis = case.size(-len(shape), len(shape) - 1)
    shape[axis] = case.size(1, 4)  # a model may have 64 outputs
    x = _x(case, tuple(shape))
    left = list(shape)
    count = left.pop(axis)
    outputs = [case.tensor(f"y{index}", tuple(left), **steps_of(case, x)) for index in range(count)]
    options = tflite.options(schema.UnpackOptions, AXIS=("i", axis), NUM=("i", count))
    return case.operator("UNPACK", [x], outputs, **options)


def _tile(case: Case) -> Added:
    shape, dtype = _shape(case, 1, 4), case.choice(("int32", "int64"))
    times = [case.size(1, 3) for _ in shape]
    return _moved(case, "TILE", _x(case, shape), np.array(shape) * times, [case.integers("multiples", times, dtype)])


def _broadcast_to(case: Case) -> Added:
    target, dtype = _shape(case), case.choice(("int32", "int64"))
    shape = tuple(1 if case.size(0, 2) == 0 else size for size in target[case.size(0, len(target) - 1) :])
    return _moved(case, "BROADCAST_TO", _x(case, shape), target, [case.integers("shape", target, dtype)], version=2)


def _fill(case: Case) -> Added:
    target, dtype = _shape(case), case.choice(("int32", "int64"))
    value = case.input("value", (), **case.steps())
    y = case.tensor("y", target, **steps_of(case, value))
    return case.operator("FILL", [case.integers("shape", target, dtype), value], [y])


def _space_to_batch(case: Case) -> Added:
    blocks, batch, channels = [case.size(1, 3) for _ in range(case.size(1, 2))], case.size(1, 3), case.size(1, 5)
    image = [case.size(1, 7) for _ in blocks]
    amounts = []
    for size, block in zip(image, blocks, strict=True):
        before = case.size(0, 3)
        amounts.append([before, -(size + before) % block])
    small = [(size + sum(around)) // block for size, around, block in zip(image, amounts, blocks, strict=True)]
    x = _x(case, (batch, *image, channels))
    lists = [case.integers("blocks", blocks), case.integers("around", amounts)]
    return _moved(case, "SPACE_TO_BATCH_ND", x, (batch * int(np.prod(blocks)), *small, channels), lists)


def _batch_to_space(case: Case) -> Added:
    blocks, batch, channels = [case.size(1, 3) for _ in range(case.size(1, 2))], case.size(1, 3), case.size(1, 5)
    image = [case.size(1, 5) for _ in blocks]
    crops, left = [], []
    for size, block in zip(image, blocks, strict=True):
        before = case.size(0, size * block - 1)
        after = case.size(0, size * block - 1 - before)
        crops.append([before, after])
        left.append(size * block - before - after)
    x = _x(case, (batch * int(np.prod(blocks)), *image, channels))
    lists = [case.integers("blocks", blocks), case.integers("crops", crops)]
    return _moved(case, "BATCH_TO_SPACE_ND", x, (batch, *left, channels), lists)


def _constant_shape(case: Case) -> Added:
    shape, dtype = _shape(case), case.choice(("int32", "int64"))
    x = case.input("x", shape, **case.steps())
    y = case.tensor("y", (len(shape),), dtype)
    return case.operator("SHAPE", [x], [y], options={0: ("b", 4 if dtype == "int64" else 2)}, union=55)


def _rank(case: Case) -> Added:
    x = case.input("x", _shape(case), **case.steps())
    return case.operator("RANK", [x], [case.tensor("y", (), "int32")])


def _broadcast_args(case: Case) -> Added:
    """Nothing is left to compute; the model's input is for show."""
    target, dtype = _shape(case), case.choice(("int32", "int64"))
    shape = tuple(1 if case.size(0, 2) == 0 else size for size in target)
    other = tuple(1 if size == own and case.size(0, 1) else size for size, own in zip(target, shape, strict=True))
    together = np.broadcast_shapes(shape, other)
    x, y = case.input("x", (1,), **case.steps()), case.tensor("y", (len(together),), dtype)
    case.model.operator("BROADCAST_ARGS", [case.integers("a", shape, dtype), case.integers("b", other, dtype)], [y])
    return [x], [y]


def _computed_fill(case: Case) -> Added:
    """SHAPE, STRIDED_SLICE and PACK compute what FILL needs, as converters write it for an unknown batch."""
    shape = _shape(case, 2, 4)
    x = case.input("x", shape, **case.steps())
    whole = case.tensor("whole", (len(shape),), "int32")
    case.model.operator("SHAPE", [x], [whole], {0: ("b", 2)}, 55)
    first = case.tensor("first", (), "int32")
    lists = [case.integers(role, [number]) for role, number in (("begin", 0), ("end", 1), ("step", 1))]
    options = tflite.options(schema.StridedSliceOptions, SHRINK_AXIS_MASK=("i", 1))
    case.model.operator("STRIDED_SLICE", [whole, *lists], [first], **options)
    wanted, channels = case.tensor("wanted", (2,), "int32"), case.size(1, 7)
    options = tflite.options(schema.PackOptions, AXIS=("i", 0), VALUES_COUNT=("i", 2))
    case.model.operator("PACK", [first, case.integers("channels", channels)], [wanted], **options)
    value = case.input("value", (), **steps_of(case, x))
    y = case.tensor("y", (shape[0], channels), **steps_of(case, x))
    case.model.operator("FILL", [wanted, value], [y])
    return [x, value], [y]


def _row(make: Any, *dtypes: str) -> Row:
    return Row(make, dtypes or PLAIN, tolerance=EXACT, scale_matters=False)


def _zeros_like(case: Case) -> Added:
    shape = tuple(case.size(1, 5) for _ in range(case.size(1, 4)))
    x, y = case.input("x", shape), case.tensor("y", shape)
    return case.operator("ZEROS_LIKE", [x], [y])


CASES = {
    "broadcast zeros_like": Row(_zeros_like, ("float32", "int32", "int64"), EXACT),
    "batch_to_space": _row(_batch_to_space),
    "broadcast computed": _row(_computed_fill),
    "broadcast fill": _row(_fill),
    "broadcast tile": _row(_tile),
    "broadcast to": _row(_broadcast_to),
    "concat": _row(_concat),
    "concat pack": _row(_pack, *NUMBERS),
    "concat rescaled": _row(_concat_rescaled, "uint8", "int16"),
    "constant broadcast_args": _row(_broadcast_args, "int32"),
    "constant rank": _row(_rank),
    "constant shape": _row(_constant_shape),
    "mirror_pad": _row(_mirror_pad),
    "pad": _row(_pad),
    "pad with": _row(_pad_with),
    "reshape": Row(_reshape, PLAIN, tolerance=EXACT, scale_matters=False, dtype_matters=False),
    "reshape expand_dims": Row(_expand_dims, PLAIN, tolerance=EXACT, scale_matters=False, dtype_matters=False),
    "reshape squeeze": Row(_squeeze, PLAIN, tolerance=EXACT, scale_matters=False, dtype_matters=False),
    "reverse_sequence": _row(_reverse_sequence, "uint8", "int16", "float32", "int32", "int64"),
    "slice": _row(_slice),
    "slice reverse": _row(_reverse),
    "slice strided": _row(_strided_slice),
    "space_to_batch": _row(_space_to_batch),
    "split": _row(_split, *NUMBERS),
    "split unpack": _row(_unpack, "int8", "uint8", "int16", "float32", "int32", "bool"),
    "split v": _row(_split_v, *NUMBERS),
    "transpose": _row(_transpose),
    "transpose depth_to_space": _row(_depth_to_space, *IMAGES),
    "transpose space_to_depth": _row(_space_to_depth, *IMAGES),
}
