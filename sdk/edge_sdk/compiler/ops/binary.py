"""Ops of two operands that are repeated where their shapes ask for it: sub, mul, div, maximum ... right_shift.

float32, int32 and int64 are computed as they are, quantised types in fixed point (arithmetic.py), and the reference's
operators on plain bytes as such.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops import arithmetic
from edge_sdk.compiler.ops.arithmetic import Numbers
from edge_sdk.compiler.ops.fixed_point import ACTIVATIONS, float_range
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, require, require_shape, source_dtype, tensor
from edge_sdk.compiler.ops.strided_map import broadcast_shape, map_call, require_few_axes


@dataclass(frozen=True)
class ArithmeticAttributes:
    """Attributes of add, sub, mul and div.

    Attributes:
        activation: name of the fused activation.
        powers_of_two: int16 sums are shifts where the scales are powers of two.
    """

    activation: str = "none"
    powers_of_two: bool = True


#: (a, b, output, attributes) -> (operation, numbers).
Maker = Callable[[Value, Value, Value, Any], tuple[str, Numbers]]


@dataclass(frozen=True)
class Operation:
    """What a row of BINARY does.

    Attributes:
        plain: the map kernel's operation on numbers that are no steps, for these dtypes.
        dtypes: see `plain`.
        steps: dtype of the source model -> what makes the operation of quantised elements.
        compute: the same in numpy, for constants.
        repeats: whether the reference repeats operands.
    """

    plain: str
    dtypes: tuple[str, ...]
    steps: dict[str, Maker]
    compute: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]] | None = None
    repeats: bool = True


NUMBERS = ("float32", "int32", "int64")
BYTES = ("int8", "uint8")


def _sum(operation: str) -> Maker:
    def make(a: Value, b: Value, output: Value, attributes: ArithmeticAttributes) -> tuple[str, Numbers]:
        return arithmetic.steps_sum(operation, a, b, output, attributes.activation, attributes.powers_of_two)

    return make


def _mul(a: Value, b: Value, output: Value, attributes: ArithmeticAttributes) -> tuple[str, Numbers]:
    if a.dtype == "int16" and output.quantization is None:
        return "mul", _integer_clamp(output.dtype, attributes.activation)
    return arithmetic.steps_mul(a, b, output, attributes.activation)


def _div(a: Value, b: Value, output: Value, attributes: ArithmeticAttributes) -> tuple[str, Numbers]:
    return arithmetic.steps_div(a, b, output, attributes.activation)


def _squared_difference(a: Value, b: Value, output: Value, _: Any) -> tuple[str, Numbers]:
    return arithmetic.steps_squared_difference(a, b, output)


def _as_stored(operation: str) -> Maker:
    """Return the maker for operators that look at the stored integers, whatever they stand for."""
    return lambda *_: (operation, {})


def _unsigned(operation: str) -> Maker:
    """Return the maker for uint8 numbers; those with a scale are stored 128 lower: their bits are others."""

    def make(a: Value, b: Value, output: Value, _: Any) -> tuple[str, Numbers]:
        require(not (a.unsigned or b.unsigned or output.unsigned), "uint8 tensors with a scale")
        return operation, {}

    return make


def _stored(operation: str, *dtypes: str) -> dict[str, Maker]:
    return {dtype: _as_stored(operation) for dtype in dtypes}


BINARY: dict[str, Operation] = {
    "add": Operation("add", NUMBERS, {dtype: _sum("add") for dtype in (*BYTES, "int16")}, np.add),
    "atan2": Operation("atan2", ("float32",), {}, repeats=False),
    "bitwise_xor": Operation(
        "xor", ("int32",), {**_stored("xor", "int8", "int16"), "uint8": _unsigned("xor")}, np.bitwise_xor
    ),
    "div": Operation("div", ("float32", "int32"), dict.fromkeys(BYTES, _div)),
    "floor_div": Operation("floor_div", ("float32", "int32"), _stored("floor_div", "int8", "int16")),
    "floor_mod": Operation("floor_mod", NUMBERS, _stored("floor_mod", "int8", "int16")),
    "logical_and": Operation("and", ("bool",), {}, np.logical_and),
    "logical_or": Operation("or", ("bool",), {}, np.logical_or),
    "maximum": Operation("maximum", NUMBERS, _stored("maximum", *BYTES, "int16"), np.maximum),
    "minimum": Operation("minimum", NUMBERS, _stored("minimum", *BYTES, "int16"), np.minimum),
    "mul": Operation("mul", NUMBERS, dict.fromkeys((*BYTES, "int16"), _mul), np.multiply),
    "pow": Operation("pow", ("float32", "int32"), {}),
    "right_shift": Operation(
        "shift_right",
        ("int32",),
        {**_stored("shift_right", "int8", "int16"), "uint8": _unsigned("shift_right_unsigned")},
    ),
    "squared_difference": Operation(
        "squared_difference",
        ("float32", "int32"),
        {"int8": _squared_difference},
        lambda x, y: np.square(x - y),
    ),
    "sub": Operation("sub", NUMBERS, {dtype: _sum("sub") for dtype in (*BYTES, "int16")}, np.subtract),
}


def _integer_clamp(dtype: str, activation: str) -> Numbers:
    """Return the bounds of an activation of plain integers; those of int32 stand for none in int64."""
    info = np.iinfo("int32" if dtype == "int64" else dtype)
    low, high = ACTIVATIONS[activation]
    return {"act_min": max(info.min, low), "act_max": min(info.max, high)}


class Binary(Op):
    """The operation that the node's op names."""

    def check(self, node: Node) -> None:
        operands(node, 2)
        a, b, output = tensor(node, 0), tensor(node, 1), node.output
        operation = BINARY[node.op]
        dtype = source_dtype(a, b, output)
        require(dtype in operation.dtypes or dtype in operation.steps, f"{dtype} tensors")
        require(operation.repeats or a.shape == b.shape, f"operands of shapes {list(a.shape)} and {list(b.shape)}")
        require_shape(output, broadcast_shape(a, b))
        require_few_axes(output.shape, a, b)
        _numbers(node)

    def lower(self, node: Node) -> list[KernelCall]:
        operation, numbers = _numbers(node)
        return [map_call(node, operation, tensor(node, 0), tensor(node, 1), node.output, numbers)]

    def fold(self, node: Node) -> NDArray[Any] | None:
        operation, numbers = _numbers(node)
        compute = BINARY[node.op].compute
        if compute is None or operation.startswith("steps"):
            return None
        with np.errstate(all="ignore"):
            y = compute(contents(tensor(node, 0)), contents(tensor(node, 1)))
        low, high = numbers.get("act_min"), numbers.get("act_max")
        if low is not None and high is not None and node.output.dtype != "int64":
            y = np.clip(y, np.array(low, y.dtype), np.array(high, y.dtype))
        return y.astype(node.output.dtype)


class Arithmetic(Binary):
    """A binary op whose result an activation may clamp."""

    fuses_activation = True


def _numbers(node: Node) -> tuple[str, Numbers]:
    """Return the operation of a checked node, and the numbers that it needs."""
    a, b, output = tensor(node, 0), tensor(node, 1), node.output
    operation, attributes = BINARY[node.op], node.attributes
    maker = operation.steps.get(source_dtype(a, b, output))
    if maker is not None:
        return maker(a, b, output, attributes)
    if not isinstance(attributes, ArithmeticAttributes):
        return operation.plain, {}
    if output.dtype == "float32":
        low, high = float_range(attributes.activation)
        return operation.plain, {"act_min": low, "act_max": high}
    return operation.plain, _integer_clamp(output.dtype, attributes.activation)
