"""Nodes become kernel calls, in order."""

from __future__ import annotations

from edge_sdk.compiler.graph import Graph
from edge_sdk.compiler.ops import op_named
from edge_sdk.compiler.ops.op import KernelCall


def lower(graph: Graph) -> list[KernelCall]:
    """Return the calls of all nodes of a checked graph without aliases."""
    return [call for node in graph.nodes for call in op_named(node.op).lower(node)]
