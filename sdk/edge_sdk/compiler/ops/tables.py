"""Functions of one quantised element as tables: an answer for each of its 256 or 65536 values.

A table stands in the order of the bits read as unsigned, 0, 1 ... -2, -1, which is how the `lookup` kernels index it.
The reference computes its tables in float32, so here every step is rounded to float32 too; a function of float32 is the
float64 one, rounded, or the C library's where that shows. Where the reference converts a float that no int32 can hold,
the nearest step stands here.

tensorflow/lite/kernels/internal/common.h, LUTPopulate and LUTLookup.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Quantization, Value
from edge_sdk.compiler.ops.fixed_point import round_half_away_array
from edge_sdk.compiler.ops.op import KernelCall, contents, per_tensor, tensor

Floats = NDArray[np.float32]
Steps = NDArray[np.int64]
Real = Callable[[Floats], Floats]

#: dtype -> ending of the kernel's name.
TABLE_DTYPES = {"int8": "s8", "int16": "s16"}
#: The reference's table for int16: so many straight lines, each over so many steps.
LINES, LINE_BITS = 512, 7


def single(function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Real:
    """Return the float32 function whose results are those of `function`, rounded once."""

    def rounded(x: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return function(x.astype(np.float64)).astype(np.float32)

    return rounded


def of_c(name: str, otherwise: Real) -> Real:
    """Return a float32 function of the C library, which the reference calls too: it may be a last bit off.

    Args:
        name: such as "tanhf".
        otherwise: where there is no such library.
    """
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return otherwise
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float

    def each(x: Floats) -> Floats:
        return np.array([function(value) for value in x.ravel().tolist()], np.float32).reshape(x.shape)

    return each


def all_steps(dtype: str) -> Steps:
    """Return every value of int8 or int16 in the order of a table."""
    bits = np.dtype(dtype).itemsize * 8
    return np.arange(1 << bits).astype(f"uint{bits}").view(dtype).astype(np.int64)


def clipped(steps: NDArray[Any], dtype: str) -> Steps:
    """Return steps as close as the dtype allows; they may be float, too large for any integer, or no number (0)."""
    info = np.iinfo(dtype)
    return np.clip(np.where(steps == steps, steps, 0), info.min, info.max).astype(np.int64)


def real_table(x: Value, output: Value, function: Real) -> Steps:
    """Return the table of a function of real numbers, as the reference makes it for the dtype."""
    before, after = per_tensor(x), per_tensor(output)
    with np.errstate(over="ignore", invalid="ignore"):
        if x.dtype == "int16":
            return _between(_line_ends(before, after, function))
        real = np.float32(before.scale) * (all_steps(x.dtype) - before.zero_point).astype(np.float32)
        rounded = round_half_away_array(function(real) * (np.float32(1) / np.float32(after.scale)))
        return clipped(rounded + np.float32(after.zero_point), output.dtype)


def _line_ends(before: Quantization, after: Quantization, function: Real) -> Steps:
    """Return the 513 values between which the reference draws straight lines for int16.

    Each but the last is moved by half of what the line would be off at its middle.
    """
    low, high = -32768, 32767
    first, last = (np.float32(before.scale) * np.float32(end - before.zero_point) for end in (low, high))
    out_first, out_last = (np.float32(after.scale) * np.float32(end - after.zero_point) for end in (low, high))
    step = (last - first) / np.float32(LINES)
    inverse = np.float32(high - low + 1) / (out_last - out_first)
    index = np.arange(LINES).astype(np.float32)
    begin, end = first + index * step, first + (index + np.float32(1)) * step
    sample = round_half_away_array(function(begin) * inverse)
    middle = round_half_away_array((function(end) * inverse + sample) / np.float32(2))
    error = middle - round_half_away_array(function(begin + step / np.float32(2)) * inverse)
    moved = sample - round_half_away_array(error / np.float32(2))
    final = round_half_away_array(function(np.array([last], np.float32)) * inverse)
    return clipped(np.concatenate([moved, final]), "int16")


def _between(ends: Steps) -> Steps:
    """Return all 65536 answers of the reference's look-up between 513 line ends; int16 throughout, so it wraps."""
    steps = all_steps("int16")
    index = 256 + (steps >> LINE_BITS)
    slope = (ends[index + 1] - ends[index]).astype(np.int16).astype(np.int64)
    delta = (slope * (steps & ((1 << LINE_BITS) - 1)) + (1 << (LINE_BITS - 1))) >> LINE_BITS
    answers: Steps = (ends[index] + delta).astype(np.int16).astype(np.int64)
    return answers


def lookup_call(node: Node, table: Steps) -> KernelCall:
    """Return the kernel call of a node with one input that is nothing but a table."""
    x = tensor(node)
    return KernelCall(
        node.name,
        node.op,
        f"lookup_{TABLE_DTYPES[x.dtype]}",
        {"count": x.elements},
        {"input": x},
        {"output": node.output},
        constants={"table": table.astype(node.output.dtype)},
        in_place=("input",),
    )


def look_up(node: Node, table: Steps) -> NDArray[Any]:
    """Return the answers for a constant input."""
    x = contents(tensor(node))
    answers: NDArray[Any] = table.astype(node.output.dtype)[x.view(f"uint{x.itemsize * 8}")]
    return answers
