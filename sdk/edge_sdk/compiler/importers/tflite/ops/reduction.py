"""Operators that join many elements into one."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, constant_integers
from edge_sdk.compiler.ops.mean import MeanAttributes
from edge_sdk.compiler.ops.op import require
from edge_sdk.compiler.ops.reduction import ReduceAttributes


def _mean(operator: Operator) -> Translation:
    axes = constant_integers(operator.input(1), "axes")
    keep: bool = operator.number(schema.ReducerOptions.UNION, schema.ReducerOptions.KEEP_DIMS, "?", False)
    return "mean", operator.inputs[:1], MeanAttributes(axes, keep)


def _reduce(op: str) -> Row:
    def translate(operator: Operator) -> Translation:
        axes = constant_integers(operator.input(1), "axes")
        keep: bool = operator.number(schema.ReducerOptions.UNION, schema.ReducerOptions.KEEP_DIMS, "?", False)
        return op, operator.inputs[:1], ReduceAttributes(axes, keep)

    return translate


def _arg(op: str) -> Row:
    def translate(operator: Operator) -> Translation:
        axes = constant_integers(operator.input(1), "axes")
        require(len(axes) == 1, f"{len(axes)} axes, expected 1")
        return op, operator.inputs[:1], ReduceAttributes(axes)

    return translate


OPERATORS: dict[str, Row] = {
    "ARG_MAX": _arg("arg_max"),
    "ARG_MIN": _arg("arg_min"),
    "MEAN": _mean,
    "REDUCE_ALL": _reduce("reduce_all"),
    "REDUCE_ANY": _reduce("reduce_any"),
    "REDUCE_MAX": _reduce("reduce_max"),
    "REDUCE_MIN": _reduce("reduce_min"),
    "REDUCE_PROD": _reduce("reduce_prod"),
    "SUM": _reduce("reduce_sum"),
}
