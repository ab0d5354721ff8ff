"""Nodes become kernel calls, in order."""

from __future__ import annotations

from edge_sdk.compiler.graph import Graph
from edge_sdk.compiler.ops import op_named
from edge_sdk.compiler.ops.op import KernelCall


def lower(graph: Graph) -> list[KernelCall]:
    """Return one call per node of a checked graph without aliases."""
    return [op_named(node.op).lower(node) for node in graph.nodes]
