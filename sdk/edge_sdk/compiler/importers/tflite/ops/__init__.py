"""Which operators of TensorFlow Lite are read, and how each one's options become attributes.

A row: schema word -> function of the operator that returns (op, inputs, attributes). One file a kind of operator.
"""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite.ops import (
    convolution,
    detection,
    elementwise,
    indexing,
    movement,
    normalization,
    recurrent,
    reduction,
)
from edge_sdk.compiler.importers.tflite.ops.operator import MAX_RANK, Operator, Row

OPERATORS: dict[str, Row] = dict(
    sorted(
        {
            **convolution.OPERATORS,
            **detection.OPERATORS,
            **elementwise.OPERATORS,
            **indexing.OPERATORS,
            **movement.OPERATORS,
            **normalization.OPERATORS,
            **recurrent.OPERATORS,
            **reduction.OPERATORS,
        }.items()
    )
)

#: Operators that read and write their variable tensors in one go; all others see a copy.
KEEP_STATE = frozenset(recurrent.OPERATORS)

__all__ = ["KEEP_STATE", "MAX_RANK", "OPERATORS", "Operator", "Row"]
