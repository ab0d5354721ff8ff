"""Drop reshapes: their output becomes another view of the input's bytes."""

from __future__ import annotations

from edge_sdk.compiler.graph import Graph
from edge_sdk.compiler.ops import op_named


def alias_reshapes(graph: Graph) -> None:
    """Drop the nodes whose op is an alias and join their values."""
    kept = []
    for node in graph.nodes:
        if op_named(node.op).is_alias:
            node.output.alias_of = node.inputs[0]
        else:
            kept.append(node)
    graph.nodes = kept
