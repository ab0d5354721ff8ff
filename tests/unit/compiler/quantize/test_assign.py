from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.ops.pool import PoolAttributes
from edge_sdk.compiler.ops.softmax import SoftmaxAttributes
from edge_sdk.compiler.quantize.assign import activation_quantization, assign
from edge_sdk.compiler.quantize.calibrate import Range
from tests.unit.compiler.quantize.float_models import chain, ranges

POOL = ("max_pool", PoolAttributes((2, 2), (2, 2)), (1, 2, 2, 2))


@pytest.mark.parametrize("low", [-3.0, -0.1, 0.0])
@pytest.mark.parametrize("high", [0.0, 0.5, 6.0])
def test_the_steps_cover_the_range_and_zero_is_one_of_them(low: float, high: float):
    q = activation_quantization(Range(low, high))
    reach = [(step - q.zero_point) * q.scale for step in (-128, 127)]
    assert reach[0] <= low + 0.501 * q.scale
    assert reach[1] >= high - 0.501 * q.scale
    assert -128 <= q.zero_point <= 127


def test_both_sides_of_a_pool_are_quantised_alike_and_wide_enough_for_both():
    graph = chain(POOL)
    found = assign(graph, ranges(graph, (-1, 1), (-4, 0.5)), set(graph.nodes))
    assert found[graph.inputs[0]] is found[graph.outputs[0]]
    assert found[graph.outputs[0]].scale == pytest.approx(5 / 255)


def test_a_node_in_float_joins_nothing():
    graph = chain(POOL)
    found = assign(graph, ranges(graph, (-1, 1), (-4, 0.5)), set())
    assert found[graph.inputs[0]].scale == pytest.approx(2 / 255)


def test_a_prescribed_quantisation_travels_through_a_reshape():
    graph = chain(("softmax", SoftmaxAttributes(), (1, 8)), ("reshape", None, (8,)), shape=(1, 8))
    found = assign(graph, ranges(graph, (-1, 1), (0, 1), (0, 1)), set(graph.nodes))
    assert (found[graph.outputs[0]].scale, found[graph.outputs[0]].zero_point) == (1 / 256, -128)


def test_what_shares_steps_over_several_nodes_is_one_group():
    x, y = Value("x", "float32", (1, 4, 4, 1)), Value("y", "float32", (1, 2, 2, 1))
    z, w = Value("z", "float32", (1, 2, 2, 1)), Value("w", "float32", (4,))
    pool = PoolAttributes((2, 2), (2, 2))
    nodes = [
        Node("max_pool", "a", [x], [y], pool),
        Node("average_pool", "b", [x], [z], pool),
        Node("reshape", "c", [z], [w]),
    ]
    graph = Graph("g", [x], [y, w], nodes)
    found = assign(graph, ranges(graph, (0, 1), (0, 1), (0, 1), (0, 2)), set(nodes))
    assert len({id(found[value]) for value in (x, y, z, w)}) == 1
    assert np.isclose(found[x].scale, 2 / 255)
