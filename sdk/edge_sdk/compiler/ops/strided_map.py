"""Calls of the map and compare kernels: which operation, over which dimensions, with operands repeated where they must.

Dimensions that all operands walk through in one stride become one, so that the kernels see few and long ones.
"""

from __future__ import annotations

import math

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import KernelCall, require
from edge_sdk.errors import ModelError

#: Dimensions that a descriptor has room for, once joined.
AXES = 6
#: dtype -> ending of the kernels' names. A bool is a byte of 0 or 1.
ENDINGS = {"float32": "f32", "int8": "s8", "uint8": "s8", "bool": "s8", "int16": "s16", "int32": "s32", "int64": "s64"}

_OPERATIONS = """
add sub mul div maximum minimum squared_difference pow floor_div floor_mod atan2 prelu and or xor shift_right
shift_right_unsigned abs negative sign square sqrt rsqrt exp log sin cos tanh logistic floor ceil round elu gelu
gelu_tanh hard_swish leaky_relu steps_add steps_sub steps_mul steps_div steps_squared_difference steps_prelu
steps_shifted_add steps_shifted_sub equal not_equal less less_equal greater greater_equal steps_equal steps_not_equal
steps_less steps_less_equal steps_greater steps_greater_equal
"""
#: edge_map_operation of kernels/map/map.h -> its number.
OPERATIONS = {name: number for number, name in enumerate(_OPERATIONS.split())}

COMPARISONS = frozenset({"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"})


def broadcast_shape(*values: Value) -> tuple[int, ...]:
    """Return the shape that the operands have together."""
    try:
        return np.broadcast_shapes(*(value.shape for value in values))
    except ValueError:
        shapes = " and ".join(str(list(value.shape)) for value in values)
        raise ModelError(f"shapes {shapes} do not go together") from None


def joined(shape: tuple[int, ...], operands: tuple[tuple[int, ...], ...]) -> tuple[list[int], list[list[int]]]:
    """Return sizes and each operand's strides over `shape`, neighbours joined where they can be; innermost last."""
    sizes: list[int] = []
    strides: list[list[int]] = [[] for _ in operands]
    steps = [1] * len(operands)
    padded = [(1,) * (len(shape) - len(own)) + own for own in operands]
    for axis in reversed(range(len(shape))):
        own = [step if each[axis] != 1 else 0 for step, each in zip(steps, padded, strict=True)]
        steps = [step * each[axis] for step, each in zip(steps, padded, strict=True)]
        if shape[axis] == 1:
            continue
        if sizes and all(here == inner[0] * sizes[0] for here, inner in zip(own, strides, strict=True)):
            sizes[0] *= shape[axis]
            continue
        sizes.insert(0, shape[axis])
        for here, inner in zip(own, strides, strict=True):
            inner.insert(0, here)
    return sizes, strides


def require_few_axes(shape: tuple[int, ...], *operands: Value) -> None:
    """Raise ModelError where even the joined dimensions are too many."""
    sizes, _ = joined(shape, tuple(value.shape for value in operands))
    require(len(sizes) <= AXES, f"operands repeated along {len(sizes)} separate dimensions, at most {AXES}")


def stride_numbers(shape: tuple[int, ...], operands: dict[str, Value]) -> dict[str, int | float]:
    """Return count, size0 .. size5 and <operand>_stride0 .. 5 of a descriptor."""
    sizes, strides = joined(shape, tuple(value.shape for value in operands.values()))
    missing = AXES - len(sizes)
    numbers: dict[str, int | float] = {"count": math.prod(shape)}
    numbers |= {f"size{axis}": size for axis, size in enumerate([1] * missing + sizes)}
    for name, own in zip(operands, strides, strict=True):
        numbers |= {f"{name}_stride{axis}": stride for axis, stride in enumerate([0] * missing + own)}
    return numbers


def in_place_fields(output: Value, operands: dict[str, Value]) -> tuple[str, ...]:
    """Return the operands whose bytes the output may take: none is read in another order from the same bytes."""
    whole = {name for name, value in operands.items() if value.elements == output.elements}
    same_size = np.dtype(output.dtype).itemsize
    return tuple(
        name
        for name, value in operands.items()
        if name in whole
        and np.dtype(value.dtype).itemsize == same_size
        and all(other.storage is not value.storage or key in whole for key, other in operands.items())
    )


def map_call(
    node: Node, operation: str, a: Value, b: Value, output: Value, numbers: dict[str, int | float] | None = None
) -> KernelCall:
    """Return the call of one operation; without other `numbers` it clamps to nothing."""
    compared = operation.removeprefix("steps_") in COMPARISONS
    dtype = a.dtype
    if dtype == "float32":
        least, greatest = (0.0, 0.0) if compared else (-math.inf, math.inf)
    else:
        info = np.iinfo("int8" if dtype in ("bool", "uint8") else "int32" if dtype == "int64" else dtype)
        least, greatest = info.min, info.max
    fields: dict[str, int | float] = {"operation": OPERATIONS[operation], "act_min": least, "act_max": greatest}
    operands = {"a": a, "b": b}
    return KernelCall(
        node.name,
        node.op,
        f"{'compare' if compared else 'map'}_{ENDINGS[dtype]}",
        fields | stride_numbers(output.shape, operands) | (numbers or {}),
        dict(operands),
        {"output": output},
        in_place=in_place_fields(output, operands),
    )
