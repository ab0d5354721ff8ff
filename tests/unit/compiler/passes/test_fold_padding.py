"""A padding becomes the convolution's own only where that changes no bit."""

from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.graph import Graph, Node, Quantization, Value
from edge_sdk.compiler.ops.convolution import ConvolutionAttributes
from edge_sdk.compiler.ops.pad import PadAttributes
from edge_sdk.compiler.passes.fold_padding import fold_padding


def padded(around: tuple[int, int], *, fill: int | None = None, channels: int = 0) -> Graph:
    """Return a padding of height and width before a convolution of 3x3."""
    steps = Quantization(np.array([0.5], np.float32), np.array([7]))
    before, after = around
    size = 4 + before + after
    x = Value("x", "int8", (1, 4, 4, 2), steps)
    wide = Value("wide", "int8", (1, size, size, 2 + channels), steps)
    y = Value("y", "int8", (1, size - 2, size - 2, 1), steps)
    weights = Value("w", "int8", (1, 3, 3, 2 + channels), Quantization(np.ones(1, np.float32), np.zeros(1, np.int64)))
    weights.data = np.ones(weights.shape, np.int8)
    value = [] if fill is None else [Value("fill", "int8", (), steps, np.array(fill, np.int8))]
    border = PadAttributes((0, before, before, 0), (0, after, after, channels))
    nodes = [
        Node("pad", "wide", [x, *value], [wide], border),
        Node("conv2d", "y", [wide, weights], [y], ConvolutionAttributes((1, 1))),
    ]
    return Graph("g", [x], [y], nodes)


@pytest.mark.parametrize("fill", [None, 7])
def test_a_border_of_the_zero_point_becomes_the_convolutions_own(fill: int | None) -> None:
    graph = padded((1, 2), fill=fill)
    fold_padding(graph)
    (convolution,) = graph.nodes
    assert convolution.inputs[0] is graph.inputs[0]
    assert convolution.attributes.padding == (1, 1, 2, 2)


@pytest.mark.parametrize(
    "graph",
    [padded((1, 1), fill=6), padded((1, 1), channels=1), padded((3, 0))],
    ids=["another value", "channels too", "as large as the filter"],
)
def test_any_other_border_stays(graph: Graph) -> None:
    fold_padding(graph)
    assert [node.op for node in graph.nodes] == ["pad", "conv2d"]
    assert graph.nodes[1].attributes.padding == (0, 0, 0, 0)


def test_a_padding_that_is_read_elsewhere_stays_too() -> None:
    graph = padded((1, 1))
    graph.outputs.append(graph.nodes[0].output)
    fold_padding(graph)
    assert [node.op for node in graph.nodes] == ["pad", "conv2d"]
    assert graph.nodes[1].attributes.padding == (1, 1, 1, 1)
