r"""Which tensor costs how much: the float graph with one tensor rounded to its int8 steps, all else in float.

    node ---- quantize ---- dequantize ---- the nodes that read it

What the model's outputs are off by then is what rounding this tensor is to blame for. To leave it alone, the node that
makes it and all nodes that read it must stay in float: neighbours in a chain share that cost.
"""

from __future__ import annotations

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.ops import op_named
from edge_sdk.compiler.quantize.assign import activation_quantization
from edge_sdk.compiler.quantize.rewrite import Measured, observed_values


def with_rounded(graph: Graph, measured: Measured, value: Value) -> Graph:
    """Return the float graph with one tensor rounded to steps of its own range."""
    made, where = graph.copy()
    real = where[value]
    steps = Value(f"{real.name}:int8", "int8", real.shape, activation_quantization(measured.ranges[value]))
    rounded = Value(f"{real.name}:rounded", "float32", real.shape)
    pair = [Node("quantize", steps.name, [real], [steps]), Node("dequantize", rounded.name, [steps], [rounded])]
    for node in made.nodes:
        node.inputs = [rounded if operand is real else operand for operand in node.inputs]
    made.outputs = [rounded if output is real else output for output in made.outputs]
    maker = next((index for index, node in enumerate(made.nodes) if real in node.outputs), -1)
    made.nodes[maker + 1 : maker + 1] = pair
    return made


def neighbours(graph: Graph, value: Value) -> frozenset[Node]:
    """Return the nodes that make or read a tensor, and through reshapes whoever makes or reads the same bytes."""
    found: set[Node] = set()
    waiting, seen = [value], {value}
    while waiting:
        one = waiting.pop()
        for node in graph.nodes:
            if one in node.outputs or one in node.inputs:
                found.add(node)
                shown = [*node.inputs, *node.outputs] if op_named(node.op).is_alias else []
                new = [other for other in shown if other is not None and other not in seen]
                seen.update(new)
                waiting += new
    return frozenset(found)


def candidates(graph: Graph) -> list[Value]:
    """Return the tensors worth trying: not those that only show another one's bytes."""
    aliases = {node.output for node in graph.nodes if op_named(node.op).is_alias}
    return [value for value in observed_values(graph) if value not in aliases]
