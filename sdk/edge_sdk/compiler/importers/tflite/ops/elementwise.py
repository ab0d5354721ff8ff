"""Operators that treat each element alone, or pairs of elements."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, fused_activation, plain
from edge_sdk.compiler.ops.add import AddAttributes
from edge_sdk.compiler.ops.unary import GeluAttributes, LeakyReluAttributes


def _add(operator: Operator) -> Translation:
    activation = fused_activation(operator, schema.AddOptions.UNION, schema.AddOptions.ACTIVATION)
    return "add", operator.inputs, AddAttributes(activation)


def _quantize(operator: Operator) -> Translation:
    op = "quantize" if operator.input(0).dtype == "float32" else "requantize"
    return op, operator.inputs, None


def _gelu(operator: Operator) -> Translation:
    approximate: bool = operator.number(schema.GeluOptions.UNION, schema.GeluOptions.APPROXIMATE, "?", False)
    return "gelu", operator.inputs, GeluAttributes(approximate)


def _leaky_relu(operator: Operator) -> Translation:
    alpha: float = operator.number(schema.LeakyReluOptions.UNION, schema.LeakyReluOptions.ALPHA, "f", 0.0)
    return "leaky_relu", operator.inputs, LeakyReluAttributes(alpha)


OPERATORS: dict[str, Row] = {
    "ABS": plain("abs"),
    "ADD": _add,
    "DEQUANTIZE": plain("dequantize"),
    "ELU": plain("elu"),
    "EXP": plain("exp"),
    "GELU": _gelu,
    "HARD_SWISH": plain("hard_swish"),
    "LEAKY_RELU": _leaky_relu,
    "LOG": plain("log"),
    "LOGISTIC": plain("logistic"),
    "NEG": plain("neg"),
    "QUANTIZE": _quantize,
    "RELU": plain("relu"),
    "RELU6": plain("relu6"),
    "RELU_0_TO_1": plain("relu_0_to_1"),
    "RELU_N1_TO_1": plain("relu_n1_to_1"),
    "RSQRT": plain("rsqrt"),
    "SQRT": plain("sqrt"),
    "TANH": plain("tanh"),
}
