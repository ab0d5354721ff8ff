"""Compute nodes whose inputs are all constant, where the op says how: stored weights of another type or shape."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edge_sdk.compiler.graph import Graph, Node, Unknown
from edge_sdk.compiler.ops import check_node, op_named
from edge_sdk.errors import ModelError

#: Bytes that may come into being: a small file may ask for the same large weights in thousands of nodes.
MAX_FOLDED_BYTES = 1 << 30


def fold_constants(graph: Graph, most_bytes: int = MAX_FOLDED_BYTES) -> None:
    """Turn the outputs of such nodes into constants and drop the nodes.

    Raises:
        ModelError: the new constants take more than `most_bytes`.
    """
    kept, folded_bytes = [], 0
    for node in graph.nodes:
        data = _folded(node)
        if data is None:
            kept.append(node)
            continue
        node.output.data = data
        folded_bytes += data.nbytes
        if folded_bytes > most_bytes:
            raise ModelError(f"{graph.name}: its weights take more than {most_bytes:,} bytes when unpacked")
    graph.nodes = kept


def _folded(node: Node) -> NDArray[Any] | None:
    if isinstance(node.attributes, Unknown) or not node.inputs:
        return None
    if not all(value is not None and value.is_constant for value in node.inputs):
        return None
    try:
        check_node(node)
    except ModelError:
        return None  # check_nodes reports it, with all the others
    return op_named(node.op).fold(node)
