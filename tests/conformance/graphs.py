"""Conversions of graphs instead of files: with inner results shown, or of one node alone.

The importer is the one seam: `convert` takes what it gives, so everything after it is what users get.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np
import pytest

from edge_sdk.compiler.convert import Conversion, convert
from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.passes import PASSES
from edge_sdk.compiler.passes.check_nodes import check_nodes
from edge_sdk.tensor import DTYPE_BYTES

#: Results shown by one conversion; a module may have 64 outputs.
SHOWN_AT_ONCE = 48


def inner_names(graph: Graph) -> list[str]:
    """Return the names of what nodes compute inside the model, of those that have their name for themselves."""
    computed = [value for node in graph.nodes for value in node.outputs]
    counts = Counter(value.name for value in (*graph.inputs, *computed))
    outputs = set(graph.outputs)
    return [
        value.name
        for value in computed
        if value not in outputs and counts[value.name] == 1 and value.dtype in DTYPE_BYTES
    ]


def showing(data: bytes, names: list[str]) -> list[tuple[list[str], bytes]]:
    """Return modules that show all the named inner results between them, each with the names that it shows."""
    groups = [names[at : at + SHOWN_AT_ONCE] for at in range(0, len(names), SHOWN_AT_ONCE)]
    return [(group, _showing(data, group)) for group in groups]


def _showing(data: bytes, names: list[str]) -> bytes:
    graph = import_model(data, "model")
    named = {value.name: value for node in graph.nodes for value in node.outputs}
    graph.outputs = graph.outputs + [named[name] for name in names]
    return convert_graph(graph).module


def nodes_alone(data: bytes) -> Iterator[tuple[Node, Graph]]:
    """Yield each node of a model, as it comes to `check_nodes`, with a graph of its own that holds nothing else."""
    graph = import_model(data, "model")
    for graph_pass in takewhile(lambda graph_pass: graph_pass is not check_nodes, PASSES):
        graph_pass(graph)
    for original in graph.nodes:
        node = _copy(original)
        operands = [value for value in node.inputs if value is not None and not value.is_constant]
        states = {
            copy: graph.states[value]
            for copy, value in zip(node.inputs, original.inputs, strict=True)
            if copy is not None and value in graph.states
        }
        inputs = list(dict.fromkeys(value for value in operands if value not in states))
        if inputs:
            yield node, Graph("node", inputs, list(node.outputs), [node], states)


def _copy(node: Node) -> Node:
    """Return a node with values of its own: passes work on them in place."""
    copies = {value: replace(value) for value in (*node.inputs, *node.outputs) if value is not None}
    inputs = [None if value is None else copies[value] for value in node.inputs]
    outputs = [copies[value] for value in node.outputs]
    return Node(node.op, node.name, inputs, outputs, node.attributes, node.origin)


def convert_graph(graph: Graph) -> Conversion:
    """Convert a graph that no file holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_sdk.compiler.convert.import_model", lambda data, name: graph)
        return convert(b"", name=graph.name)


def with_magnitudes(graph: Graph) -> Graph:
    """Return a graph of one sum of products whose outputs for positive inputs are sum(abs(x * w))."""
    (node,) = graph.nodes
    inputs = [value if value is None or not value.is_constant else _positive(value) for value in node.inputs]
    attributes = replace(node.attributes, activation="none")
    outputs = [Value(value.name, value.dtype, value.shape, value.quantization) for value in node.outputs]
    return Graph("sums", graph.inputs, outputs, [Node(node.op, node.name, inputs, outputs, attributes, node.origin)])


def _positive(value: Value) -> Value:
    data = None if value.data is None else np.abs(value.data)
    return Value(value.name, value.dtype, value.shape, value.quantization, data)
