"""Operators that move elements or show them under another shape."""

from __future__ import annotations

from math import prod

from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, constant_integers
from edge_sdk.compiler.ops.op import require


def _reshape(operator: Operator) -> Translation:
    """The stored output shape decides; a constant target shape must agree, a computed one is taken on trust.

    Without its second input the operator no longer needs the SHAPE, STRIDED_SLICE and PACK that often compute it.
    """
    x, output = operator.input(0), operator.output()
    target = operator.inputs[1] if len(operator.inputs) > 1 else None
    if target is not None and target.is_constant:
        wanted = list(constant_integers(target, "shape"))
        if wanted.count(-1) == 1:
            rest = -prod(wanted)
            require(rest > 0 and x.elements % rest == 0, f"reshape of {list(x.shape)} to {wanted}")
            wanted[wanted.index(-1)] = x.elements // rest
        require(wanted == list(output.shape), f"reshape to {wanted}, but its output is {list(output.shape)}")
    return "reshape", [x], None


def _same_bytes(operator: Operator) -> Translation:
    return "reshape", [operator.input(0)], None


OPERATORS: dict[str, Row] = {
    "EXPAND_DIMS": _same_bytes,
    "RESHAPE": _reshape,
    "SQUEEZE": _same_bytes,
}
