"""Which operators of TensorFlow Lite are read, and how each one's options become attributes.

A row: schema word -> function of the operator that returns (op, inputs, attributes). One file a kind of operator.
"""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite.ops import convolution, elementwise, movement, reduction
from edge_sdk.compiler.importers.tflite.ops.operator import MAX_RANK, Operator, Row

OPERATORS: dict[str, Row] = {
    **convolution.OPERATORS,
    **elementwise.OPERATORS,
    **movement.OPERATORS,
    **reduction.OPERATORS,
}

__all__ = ["MAX_RANK", "OPERATORS", "Operator", "Row"]
