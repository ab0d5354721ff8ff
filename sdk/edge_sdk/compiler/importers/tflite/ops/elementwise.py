"""Operators that treat each element alone, or pairs of elements."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, fused_activation, plain
from edge_sdk.compiler.ops.add import AddAttributes


def _add(operator: Operator) -> Translation:
    activation = fused_activation(operator, schema.AddOptions.UNION, schema.AddOptions.ACTIVATION)
    return "add", operator.inputs, AddAttributes(activation)


def _quantize(operator: Operator) -> Translation:
    op = "quantize" if operator.input(0).dtype == "float32" else "requantize"
    return op, operator.inputs, None


OPERATORS: dict[str, Row] = {
    "ADD": _add,
    "DEQUANTIZE": plain("dequantize"),
    "QUANTIZE": _quantize,
    "RELU": plain("relu"),
    "RELU6": plain("relu6"),
    "RELU_N1_TO_1": plain("relu_n1_to_1"),
}
