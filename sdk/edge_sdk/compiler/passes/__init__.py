"""Graph -> graph, in this order; each changes the graph in place. Then calls are made and their memory is planned."""

from __future__ import annotations

from edge_sdk.compiler.graph import Graph
from edge_sdk.compiler.passes.alias_reshapes import alias_reshapes
from edge_sdk.compiler.passes.check_nodes import check_nodes
from edge_sdk.compiler.passes.drop_dead_nodes import drop_dead_nodes
from edge_sdk.compiler.passes.fold_constants import fold_constants
from edge_sdk.compiler.passes.fold_padding import fold_padding
from edge_sdk.compiler.passes.fuse_activations import fuse_activations
from edge_sdk.compiler.passes.sign_uint8 import sign_uint8

#: What makes a graph plain; reshapes are still nodes.
SIMPLIFYING = (
    drop_dead_nodes,
    sign_uint8,
    fold_constants,
    check_nodes,
    fuse_activations,
)
PASSES = (*SIMPLIFYING, fold_padding, alias_reshapes)


def simplify(graph: Graph) -> None:
    """Run these passes. Raises as `run_passes` does."""
    for graph_pass in SIMPLIFYING:
        graph_pass(graph)


def run_passes(graph: Graph) -> None:
    """Run all passes.

    Raises:
        ModelError: the model cannot be converted; the message lists every node that stands in the way.
    """
    for graph_pass in PASSES:
        graph_pass(graph)


__all__ = ["PASSES", "run_passes", "simplify"]
