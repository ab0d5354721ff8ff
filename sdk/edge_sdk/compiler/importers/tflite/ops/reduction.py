"""Operators that join many elements into one."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, constant_integers
from edge_sdk.compiler.ops.mean import MeanAttributes


def _mean(operator: Operator) -> Translation:
    axes = constant_integers(operator.input(1), "axes")
    keep: bool = operator.number(schema.ReducerOptions.UNION, schema.ReducerOptions.KEEP_DIMS, "?", False)
    return "mean", operator.inputs[:1], MeanAttributes(axes, keep)


OPERATORS: dict[str, Row] = {
    "MEAN": _mean,
}
