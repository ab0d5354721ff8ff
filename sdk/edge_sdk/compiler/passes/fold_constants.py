"""Compute nodes whose inputs are all constant, where the op says how: stored weights of another type or shape."""

from __future__ import annotations

import numpy as np

from edge_sdk.compiler.graph import Graph, Node, Unknown
from edge_sdk.compiler.ops import check_node, op_named
from edge_sdk.errors import ModelError


def fold_constants(graph: Graph) -> None:
    """Turn the outputs of such nodes into constants and drop the nodes."""
    graph.nodes = [node for node in graph.nodes if not _folded(node)]


def _folded(node: Node) -> bool:
    if isinstance(node.attributes, Unknown) or not node.inputs:
        return False
    if not all(value is not None and value.is_constant for value in node.inputs):
        return False
    try:
        check_node(node)
    except ModelError:
        return False  # check_nodes reports it, with all the others
    data = op_named(node.op).fold(node)
    if data is None:
        return False
    node.output.data = np.ascontiguousarray(data).reshape(node.output.shape)
    return True
