"""Operators that set each element against the others of its row."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, fused_activation, plain
from edge_sdk.compiler.ops.local_response_normalization import LocalResponseAttributes
from edge_sdk.compiler.ops.op import require
from edge_sdk.compiler.ops.softmax import SoftmaxAttributes


def _softmax(operator: Operator) -> Translation:
    beta: float = operator.number(schema.SoftmaxOptions.UNION, schema.SoftmaxOptions.BETA, "f", 0.0)
    return "softmax", operator.inputs, SoftmaxAttributes(beta)


def _l2_normalization(operator: Operator) -> Translation:
    activation = fused_activation(operator, schema.L2NormOptions.UNION, schema.L2NormOptions.ACTIVATION)
    require(activation == "none", f"fused activation {activation}")
    return "l2_normalization", operator.inputs, None


def _local_response_normalization(operator: Operator) -> Translation:
    options = schema.LocalResponseNormalizationOptions
    radius: int = operator.number(options.UNION, options.RADIUS, "i", 0)
    bias, alpha, beta = (
        operator.number(options.UNION, slot, "f", 0.0) for slot in (options.BIAS, options.ALPHA, options.BETA)
    )
    return "local_response_normalization", operator.inputs, LocalResponseAttributes(radius, bias, alpha, beta)


OPERATORS: dict[str, Row] = {
    "L2_NORMALIZATION": _l2_normalization,
    "LOCAL_RESPONSE_NORMALIZATION": _local_response_normalization,
    "LOG_SOFTMAX": plain("log_softmax"),
    "SOFTMAX": _softmax,
}
