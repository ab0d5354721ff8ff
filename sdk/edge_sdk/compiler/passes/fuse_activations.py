"""Give a lone relu to the node before it, where the result is the same to the bit.

float32: always, the kernel clamps its output anyway. int8: only where the relu keeps the quantisation, because then
it is a clamp of the same steps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.ops import op_named
from edge_sdk.compiler.ops.fixed_point import ACTIVATIONS


def fuse_activations(graph: Graph) -> None:
    """Fuse each relu whose input is made by one node that can clamp, and read by nobody else."""
    uses = graph.use_counts()
    makers: dict[Value, Node] = {}
    kept = []
    for node in graph.nodes:
        maker = makers.get(node.inputs[0]) if node.inputs and node.inputs[0] is not None else None
        if node.op in ACTIVATIONS and maker is not None and uses[maker.output] == 1 and _exact(maker, node):
            maker.attributes = replace(maker.attributes, activation=node.op)
            maker.outputs = node.outputs
        else:
            maker = node
            kept.append(node)
        makers[node.output] = maker
    graph.nodes = kept


def _exact(maker: Node, relu: Node) -> bool:
    if not op_named(maker.op).fuses_activation or maker.attributes.activation != "none":
        return False
    before, after = maker.output.quantization, relu.output.quantization
    if relu.output.dtype == "float32":
        return True
    if before is None or after is None:
        return False
    return np.array_equal(before.scales, after.scales) and np.array_equal(before.zero_points, after.zero_points)
