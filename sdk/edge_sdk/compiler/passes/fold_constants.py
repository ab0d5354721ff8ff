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
        arrays = folded(node)
        if arrays is None:
            kept.append(node)
            continue
        for value, data in zip(node.outputs, arrays, strict=True):
            value.data = data
            folded_bytes += data.nbytes
        if folded_bytes > most_bytes:
            raise ModelError(f"{graph.name}: its weights take more than {most_bytes:,} bytes when unpacked")
    graph.nodes = kept


def folded(node: Node) -> tuple[NDArray[Any], ...] | None:
    """Return the contents of a node's outputs, or None where it is left to the kernel or cannot be converted."""
    if isinstance(node.attributes, Unknown):
        return None
    if not all(value is not None and value.is_constant for value in node.inputs):
        return None
    try:
        check_node(node)
    except ModelError:
        return None  # check_nodes reports it, with all the others
    data = op_named(node.op).fold(node)
    return data if data is None or isinstance(data, tuple) else (data,)
