"""Only weights change, activations stay float32: int8 ("dynamic range") or rounded to float16.

    dynamic   int8, one scale per output channel; the op rounds its input at run time, to 8-bit steps of its own range
    float16   the nearest float16 number; nothing else changes

Both forms are those of the TFLite converter, and go where an imported model of that kind goes. Small weights stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.ops import check_node
from edge_sdk.compiler.ops.fully_connected import FullyConnectedAttributes
from edge_sdk.compiler.ops.op import contents
from edge_sdk.compiler.quantize.rules import RULES
from edge_sdk.compiler.quantize.weights import quantize_weights
from edge_sdk.errors import ModelError

#: The TFLite converter leaves smaller weights alone: they save nothing.
LEAST_ELEMENTS = 1024


def narrow_weights(graph: Graph, form: str) -> dict[Node, str]:
    """Change the weights of a simplified graph, in place.

    Args:
        form: a key of WEIGHTS.

    Returns:
        Every node with float weights -> why they have stayed as they were; "" where they have not.
    """
    narrowed, known = WEIGHTS[form], dict[tuple[Value, int], Value]()
    reasons = {}
    for node in graph.nodes:
        axis = RULES[node.op].weights if node.op in RULES else None
        weights = node.inputs[1] if axis is not None else None
        if axis is None or weights is None or weights.dtype != "float32" or not weights.is_constant:
            continue
        reasons[node] = ""
        try:
            if weights.elements < LEAST_ELEMENTS:
                raise ModelError(f"fewer than {LEAST_ELEMENTS} weights")
            if (weights, axis) not in known:
                known[weights, axis] = narrowed(weights, axis)
            changed = _changed(node, known[weights, axis])
            node.inputs, node.attributes = changed.inputs, changed.attributes
        except ModelError as error:
            reasons[node] = error.message
    return reasons


def _changed(node: Node, narrow: Value) -> Node:
    """Return the node with other weights. Raises ModelError where the op does not take them."""
    changed = replace(node, inputs=[node.inputs[0], narrow, *node.inputs[2:]])
    if narrow.dtype == "int8" and isinstance(node.attributes, FullyConnectedAttributes):
        # As the converter asks for: after a relu, symmetric steps would leave half of their range unused.
        changed.attributes = replace(node.attributes, asymmetric=True)
    check_node(changed)
    return changed


def _int8(weights: Value, axis: int) -> Value:
    data = contents(weights)
    if not np.isfinite(data).all():
        raise ModelError("a weight is no finite number")
    steps, quantization = quantize_weights(data, axis, 1.0, None)
    return replace(weights, dtype="int8", data=steps, quantization=quantization)


def _float16(weights: Value, _axis: int) -> Value:
    """Return weights that float16 holds; they stay float32 for the op, and are stored as float16."""
    with np.errstate(over="ignore"):
        data = contents(weights).astype(np.float16).astype(np.float32)
    if not np.isfinite(data).all():
        raise ModelError("a weight is beyond the range of float16")
    return replace(weights, data=data)


WEIGHTS: dict[str, Callable[[Value, int], Value]] = {"dynamic": _int8, "float16": _float16}
