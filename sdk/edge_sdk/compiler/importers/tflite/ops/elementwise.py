"""Operators that treat each element alone, or pairs of elements."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, fused_activation, plain
from edge_sdk.compiler.ops.binary import ArithmeticAttributes
from edge_sdk.compiler.ops.select import SelectAttributes
from edge_sdk.compiler.ops.unary import GeluAttributes, LeakyReluAttributes


def _sum(op: str, options: type[schema.AddOptions] | type[schema.SubOptions]) -> Row:
    def translate(operator: Operator) -> Translation:
        activation = fused_activation(operator, options.UNION, options.ACTIVATION)
        powers_of_two: bool = operator.number(options.UNION, options.POT_SCALE_INT16, "?", True)
        return op, operator.inputs, ArithmeticAttributes(activation, powers_of_two)

    return translate


def _product(op: str, options: type[schema.MulOptions] | type[schema.DivOptions]) -> Row:
    def translate(operator: Operator) -> Translation:
        activation = fused_activation(operator, options.UNION, options.ACTIVATION)
        return op, operator.inputs, ArithmeticAttributes(activation)

    return translate


def _quantize(operator: Operator) -> Translation:
    op = "quantize" if operator.input(0).dtype == "float32" else "requantize"
    return op, operator.inputs, None


def _gelu(operator: Operator) -> Translation:
    approximate: bool = operator.number(schema.GeluOptions.UNION, schema.GeluOptions.APPROXIMATE, "?", False)
    return "gelu", operator.inputs, GeluAttributes(approximate)


def _leaky_relu(operator: Operator) -> Translation:
    alpha: float = operator.number(schema.LeakyReluOptions.UNION, schema.LeakyReluOptions.ALPHA, "f", 0.0)
    return "leaky_relu", operator.inputs, LeakyReluAttributes(alpha)


def _select(*, repeats: bool) -> Row:
    return lambda operator: ("select", operator.inputs, SelectAttributes(repeats))


OPERATORS: dict[str, Row] = {
    "ABS": plain("abs"),
    "ADD": _sum("add", schema.AddOptions),
    "ADD_N": plain("add_n"),
    "ATAN2": plain("atan2"),
    "BITWISE_XOR": plain("bitwise_xor"),
    "CAST": plain("cast"),
    "CEIL": plain("ceil"),
    "COS": plain("cos"),
    "DEQUANTIZE": plain("dequantize"),
    "DIV": _product("div", schema.DivOptions),
    "ELU": plain("elu"),
    "EQUAL": plain("equal"),
    "EXP": plain("exp"),
    "FLOOR": plain("floor"),
    "FLOOR_DIV": plain("floor_div"),
    "FLOOR_MOD": plain("floor_mod"),
    "GELU": _gelu,
    "GREATER": plain("greater"),
    "GREATER_EQUAL": plain("greater_equal"),
    "HARD_SWISH": plain("hard_swish"),
    "LEAKY_RELU": _leaky_relu,
    "LESS": plain("less"),
    "LESS_EQUAL": plain("less_equal"),
    "LOG": plain("log"),
    "LOGICAL_AND": plain("logical_and"),
    "LOGICAL_NOT": plain("logical_not"),
    "LOGICAL_OR": plain("logical_or"),
    "LOGISTIC": plain("logistic"),
    "MAXIMUM": plain("maximum"),
    "MINIMUM": plain("minimum"),
    "MUL": _product("mul", schema.MulOptions),
    "NEG": plain("neg"),
    "NOT_EQUAL": plain("not_equal"),
    "POW": plain("pow"),
    "PRELU": plain("prelu"),
    "QUANTIZE": _quantize,
    "RELU": plain("relu"),
    "RELU6": plain("relu6"),
    "RELU_0_TO_1": plain("relu_0_to_1"),
    "RELU_N1_TO_1": plain("relu_n1_to_1"),
    "RIGHT_SHIFT": plain("right_shift"),
    "ROUND": plain("round"),
    "RSQRT": plain("rsqrt"),
    "SELECT": _select(repeats=False),
    "SELECT_V2": _select(repeats=True),
    "SIGN": plain("sign"),
    "SIN": plain("sin"),
    "SQRT": plain("sqrt"),
    "SQUARE": plain("square"),
    "SQUARED_DIFFERENCE": plain("squared_difference"),
    "SUB": _sum("sub", schema.SubOptions),
    "TANH": plain("tanh"),
}
