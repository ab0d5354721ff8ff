"""Give a padding to the convolution that reads it, where the result is the same to the bit.

A convolution leaves out what lies outside its image, as if the input's zero point stood there. So a border of just that
value, in height and width only, may be the convolution's own, as long as it stays below the filter's size.
"""

from __future__ import annotations

from dataclasses import replace

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.ops import check_node
from edge_sdk.compiler.ops.convolution import ConvolutionAttributes
from edge_sdk.compiler.ops.pad import PadAttributes, padding_value
from edge_sdk.compiler.ops.window import Padding
from edge_sdk.errors import ModelError

CONVOLUTIONS = ("conv2d", "depthwise_conv2d")


def fold_padding(graph: Graph) -> None:
    """Let convolutions read the input of a padding; a padding that nobody reads any longer is dropped."""
    makers = {node.output: node for node in graph.nodes if node.op == "pad"}
    for node in graph.nodes:
        pad = makers.get(node.inputs[0]) if node.op in CONVOLUTIONS and node.inputs[0] is not None else None
        if pad is not None and _is_nothing(pad):
            _fold(node, pad)
    uses = graph.use_counts()
    graph.nodes = [node for node in graph.nodes if node.op != "pad" or uses[node.output]]


def _is_nothing(pad: Node) -> bool:
    """Return whether a padding adds what stands for 0 to height and width, and changes nothing else."""
    attributes: PadAttributes = pad.attributes
    x, output = pad.inputs[0], pad.output
    value = padding_value(pad).data
    if x is None or value is None or len(output.shape) != 4:
        return False
    outside = (attributes.before[0], attributes.after[0], attributes.before[3], attributes.after[3])
    return not any(outside) and _same_steps(x, output) and bool((value == _zero(output)).all())


def _same_steps(a: Value, b: Value) -> bool:
    if a.quantization is None or b.quantization is None:
        return a.quantization is b.quantization
    p, q = a.quantization, b.quantization
    return p.is_per_tensor and q.is_per_tensor and p.scale == q.scale and p.zero_point == q.zero_point


def _zero(value: Value) -> int:
    return value.quantization.zero_point if value.quantization is not None and value.dtype != "float32" else 0


def _fold(node: Node, pad: Node) -> None:
    """Change the convolution, unless its check refuses the larger padding."""
    before = node.inputs, node.attributes
    attributes: ConvolutionAttributes = node.attributes
    border: PadAttributes = pad.attributes
    own = attributes.padding
    padding: Padding = (
        own[0] + border.before[1],
        own[1] + border.before[2],
        own[2] + border.after[1],
        own[3] + border.after[2],
    )
    node.inputs = [pad.inputs[0], *node.inputs[1:]]
    node.attributes = replace(attributes, padding=padding)
    try:
        check_node(node)
    except ModelError:
        node.inputs, node.attributes = before
