"""Drop nodes that no output needs: the remains of training, or what only computed the shape of a reshape."""

from __future__ import annotations

from edge_sdk.compiler.graph import Graph


def drop_dead_nodes(graph: Graph) -> None:
    """Keep only what the graph's outputs and states depend on."""
    needed = {*graph.outputs, *graph.states}
    kept = []
    for node in reversed(graph.nodes):
        if any(value in needed for value in node.outputs):
            needed.update(value for value in node.inputs if value is not None)
            kept.append(node)
    graph.nodes = kept[::-1]
