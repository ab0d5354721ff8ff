"""Store quantised uint8 tensors as int8, 128 lower, so that every kernel knows one kind of byte.

real = scale * (q - zero point) stays what it is, for both are 128 lower. At the model's border the caller keeps uint8:
a node there flips the top bit, unless the tensor's only neighbours read or write both kinds anyway.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_sdk.compiler.graph import Graph, Node, Value

#: Ops that take a byte of either kind, by a mask in their descriptor.
TAKE_BOTH = frozenset({"dequantize", "quantize", "requantize"})
SHIFT = 128


def sign_uint8(graph: Graph) -> None:
    """Sign every quantised uint8 value; those without a scale are plain numbers and stay."""
    inputs = [_flipped_input(graph, value) for value in graph.inputs]
    outputs = [node for value in dict.fromkeys(graph.outputs) if (node := _flipped_output(graph, value)) is not None]
    border = {*graph.inputs, *graph.outputs}
    for node in graph.nodes:
        for value in (*node.inputs, *node.outputs):
            if value is not None and value not in border and _is_quantized_uint8(value):
                _sign(value)
    for value, contents in graph.states.items():
        if value.unsigned and contents.dtype == np.uint8:
            graph.states[value] = (contents ^ np.uint8(SHIFT)).view(np.int8)
    graph.nodes = [node for node in inputs if node is not None] + graph.nodes + outputs


def _is_quantized_uint8(value: Value) -> bool:
    return value.dtype == "uint8" and value.quantization is not None


def _sign(value: Value) -> None:
    assert value.quantization is not None  # noqa: S101 - for the type checker; the callers have looked
    value.dtype, value.unsigned = "int8", True
    value.quantization = replace(value.quantization, zero_points=value.quantization.zero_points - SHIFT)
    if value.data is not None:
        value.data = (value.data ^ np.uint8(SHIFT)).view(np.int8)


def _twin(value: Value) -> Value:
    """Return a value that stands for a border tensor inside the graph."""
    return Value(f"{value.name} (signed)", value.dtype, value.shape, value.quantization)


def _flipped_input(graph: Graph, value: Value) -> Node | None:
    readers = [node for node in graph.nodes if value in node.inputs]
    if not _is_quantized_uint8(value) or all(node.op in TAKE_BOTH for node in readers):
        return None
    twin = _twin(value)
    for node in readers:
        node.inputs = [twin if operand is value else operand for operand in node.inputs]
    return Node("requantize", value.name, [value], [twin], origin="(uint8 input)")


def _flipped_output(graph: Graph, value: Value) -> Node | None:
    maker = next((node for node in graph.nodes if value in node.outputs), None)
    if not _is_quantized_uint8(value) or maker is None:
        return None
    readers = [node for node in graph.nodes if value in node.inputs]
    if all(node.op in TAKE_BOTH for node in (maker, *readers)):
        return None
    twin = _twin(value)
    maker.outputs = [twin if result is value else result for result in maker.outputs]
    for node in readers:
        node.inputs = [twin if operand is value else operand for operand in node.inputs]
    return Node("requantize", value.name, [twin], [value], origin="(uint8 output)")
