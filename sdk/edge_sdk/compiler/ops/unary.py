"""Functions of one element: abs, elu, exp, gelu ... tanh.

Quantised elements: a table, made here; float32, int32 and int64: an operation of the map kernels.

tensorflow/lite/kernels/{activations,elementwise,exp}.cc, reference/gelu.h.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops import fixed_tables
from edge_sdk.compiler.ops.elementwise import check_elementwise
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, per_tensor, require, source_dtype, tensor
from edge_sdk.compiler.ops.strided_map import map_call, require_few_axes
from edge_sdk.compiler.ops.tables import Floats, Real, Steps, look_up, lookup_call, of_c, real_table, single

#: What logistic's int8 output has.
LOGISTIC_STEP = 1 / 256


@dataclass(frozen=True)
class GeluAttributes:
    """Attributes of gelu.

    Attributes:
        approximate: by tanh, not by erf.
    """

    approximate: bool = False


@dataclass(frozen=True)
class LeakyReluAttributes:
    """Attributes of leaky_relu.

    Attributes:
        alpha: factor of negative elements.
    """

    alpha: float = 0.0


#: (input, output, attributes) -> table.
TableMaker = Callable[[Value, Value, Any], Steps]


@dataclass(frozen=True)
class Function:
    """What a row of FUNCTIONS does.

    Attributes:
        tables: dtype of the source model -> how its table is made.
        operation: of the map kernels.
        dtypes: that the operation takes.
        compute: the same in numpy, for constants; only where it is the same to the bit.
    """

    tables: dict[str, TableMaker] = field(default_factory=dict)
    operation: str = ""
    dtypes: tuple[str, ...] = ("float32",)
    compute: Callable[[NDArray[Any]], NDArray[Any]] | None = None


_exp = single(np.exp)
_tanh = of_c("tanhf", single(np.tanh))
_expm1 = single(np.expm1)
_log = single(np.log)
_erfc = of_c("erfcf", single(np.vectorize(math.erfc, otypes=[np.float64])))


def _logistic(x: Floats) -> Floats:
    with np.errstate(over="ignore"):
        y: Floats = np.float32(1) / (np.float32(1) + _exp(-x))
        return y


def _elu(x: Floats) -> Floats:
    return np.where(x < 0, _expm1(x), x)


def _gelu(x: Floats) -> Floats:
    y: Floats = np.float32(0.5) * x * _erfc(x * np.float32(-math.sqrt(0.5)))
    return y


def _gelu_by_tanh(x: Floats) -> Floats:
    cubed = np.float32(0.044715) * x * x * x
    y: Floats = np.float32(0.5) * x * (np.float32(1) + _tanh(np.float32(math.sqrt(2 / math.pi)) * (x + cubed)))
    return y


def _real(function: Real) -> TableMaker:
    return lambda x, output, _: real_table(x, output, function)


def _gelu_table(x: Value, output: Value, attributes: GeluAttributes) -> Steps:
    return real_table(x, output, _gelu_by_tanh if attributes.approximate else _gelu)


def _log_table(x: Value, output: Value, _: Any) -> Steps:
    """Return log; the least output where there is none."""
    least = np.float32(np.iinfo(output.dtype).min - per_tensor(output).zero_point) * np.float32(
        per_tensor(output).scale
    )
    return real_table(x, output, lambda real: np.where(real <= 0, least, _log(real)))


def _rsqrt16_table(x: Value, output: Value, _: Any) -> Steps:
    """Return 1 / sqrt(x); the greatest output for 0 and, where the reference gives up, below."""
    greatest = np.float32(np.iinfo(output.dtype).max) * np.float32(per_tensor(output).scale)

    def function(real: Floats) -> Floats:
        with np.errstate(all="ignore"):
            y: Floats = np.where(real <= 0, greatest, np.float32(1) / np.sqrt(real))
            return y

    return _symmetric(lambda x, output, _: real_table(x, output, function))(x, output, _)


def _logistic_table(x: Value, output: Value, _: Any) -> Steps:
    scale = per_tensor(output).scale
    require(scale == LOGISTIC_STEP, f"output quantised with scale {scale}, expected 1/256")
    return real_table(x, output, _logistic)


def _leaky_relu_table(x: Value, output: Value, attributes: LeakyReluAttributes) -> Steps:
    return fixed_tables.leaky_relu(x, output, attributes.alpha)


def _fixed(function: Callable[[Value, Value], Steps]) -> TableMaker:
    return lambda x, output, _: function(x, output)


def _symmetric(maker: TableMaker) -> TableMaker:
    """Return the maker for int16 operators whose zero points must be 0."""

    def make(x: Value, output: Value, attributes: Any) -> Steps:
        require(
            per_tensor(x).zero_point == 0 == per_tensor(output).zero_point,
            "int16 tensors with a zero point other than 0",
        )
        return maker(x, output, attributes)

    return make


def _bytes(maker: TableMaker) -> dict[str, TableMaker]:
    return {"int8": maker, "uint8": maker}


FUNCTIONS: dict[str, Function] = {
    "abs": Function(
        {"int8": _fixed(fixed_tables.absolute), "int16": _symmetric(_fixed(fixed_tables.absolute))},
        "abs",
        ("float32", "int32"),
        np.abs,
    ),
    "ceil": Function({}, "ceil", compute=np.ceil),
    "cos": Function({}, "cos"),
    "elu": Function({"int8": _real(_elu)}, "elu"),
    "exp": Function({"int8": _real(_exp), "int16": _symmetric(_real(_exp))}, "exp"),
    "floor": Function({}, "floor", compute=np.floor),
    "gelu": Function({**_bytes(_gelu_table), "int16": _gelu_table}, "gelu"),
    "hard_swish": Function(_bytes(_fixed(fixed_tables.hard_swish)), "hard_swish"),
    "leaky_relu": Function({**_bytes(_leaky_relu_table), "int16": _leaky_relu_table}, "leaky_relu"),
    "log": Function({"int8": _log_table, "int16": _symmetric(_log_table)}, "log"),
    "logistic": Function({**_bytes(_logistic_table), "int16": _fixed(fixed_tables.logistic16)}, "logistic"),
    "neg": Function(
        {"int8": _fixed(fixed_tables.negative), "int16": _fixed(fixed_tables.negative)},
        "negative",
        ("float32", "int32", "int64"),
        np.negative,
    ),
    "round": Function({}, "round", compute=np.rint),
    "rsqrt": Function({"int8": _fixed(fixed_tables.rsqrt), "int16": _rsqrt16_table}, "rsqrt"),
    "sign": Function({}, "sign", ("float32", "int32"), np.sign),
    "sin": Function({}, "sin"),
    "sqrt": Function(
        {"int8": _fixed(fixed_tables.sqrt), "int16": _symmetric(_fixed(fixed_tables.sqrt))}, "sqrt", compute=np.sqrt
    ),
    "square": Function({}, "square", compute=np.square),
    "tanh": Function({**_bytes(_real(_tanh)), "int16": _fixed(fixed_tables.tanh16)}, "tanh"),
}


class Unary(Op):
    """The function that the node's op names."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        dtype = source_dtype(x, output)
        function = FUNCTIONS[node.op]
        require(dtype in function.tables or dtype in function.dtypes, f"{dtype} tensors")
        if dtype in function.tables:
            _table(node)
        else:
            require_few_axes(output.shape, x)
            require(math.isfinite(_alpha(node)), f"alpha {_alpha(node)}")

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        function = FUNCTIONS[node.op]
        if source_dtype(x, output) in function.tables:
            return [lookup_call(node, _table(node))]
        operation = function.operation
        if node.op == "gelu" and node.attributes.approximate:
            operation = "gelu_tanh"
        return [map_call(node, operation, x, x, output, {"alpha": _alpha(node)})]

    def fold(self, node: Node) -> NDArray[Any] | None:
        function = FUNCTIONS[node.op]
        if source_dtype(tensor(node), node.output) in function.tables:
            return look_up(node, _table(node))
        if function.compute is None:
            return None
        with np.errstate(all="ignore"):
            return function.compute(contents(tensor(node)))


def _alpha(node: Node) -> float:
    return node.attributes.alpha if isinstance(node.attributes, LeakyReluAttributes) else 0.0


def _table(node: Node) -> Steps:
    x, output = tensor(node), node.output
    return FUNCTIONS[node.op].tables[source_dtype(x, output)](x, output, node.attributes)
