"""Operators that keep state in variable tensors of the file."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, fused_activation
from edge_sdk.compiler.ops.svdf import SvdfAttributes


def _svdf(operator: Operator) -> Translation:
    options = schema.SVDFOptions
    rank: int = operator.number(options.UNION, options.RANK, "i", 0)
    x, filters, time, bias, state = (*operator.inputs, *[None] * 5)[:5]
    activation = fused_activation(operator, options.UNION, options.ACTIVATION)
    return "svdf", [x, filters, time, state, bias], SvdfAttributes(rank, activation)


OPERATORS: dict[str, Row] = {
    "SVDF": _svdf,
}
