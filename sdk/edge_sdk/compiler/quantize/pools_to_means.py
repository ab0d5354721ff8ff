"""A pool over the whole image becomes a mean, because a mean may change the scale.

Means of an image lie close together; the int8 pool must give them in the steps of its input, which cover the extremes
of single pixels, and most of their precision would be lost.
"""

from __future__ import annotations

from dataclasses import replace

from edge_sdk.compiler.graph import Graph, Node
from edge_sdk.compiler.ops.mean import MeanAttributes
from edge_sdk.compiler.ops.op import tensor
from edge_sdk.compiler.ops.pool import PoolAttributes


def pools_to_means(graph: Graph) -> None:
    """Turn every average_pool of a whole image without activation into a mean."""
    graph.nodes = [_mean(node) if _is_whole_image(node) else node for node in graph.nodes]


def _is_whole_image(node: Node) -> bool:
    if node.op != "average_pool":
        return False
    attributes: PoolAttributes = node.attributes
    whole = attributes.size == tensor(node).shape[1:3] and attributes.padding == (0, 0, 0, 0)
    return whole and node.output.shape[1:3] == (1, 1) and attributes.activation == "none"


def _mean(node: Node) -> Node:
    return replace(node, op="mean", attributes=MeanAttributes(axes=(1, 2), keep_dims=True))
