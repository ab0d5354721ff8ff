from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.ops.binary import ArithmeticAttributes
from edge_sdk.compiler.ops.pool import PoolAttributes
from edge_sdk.compiler.ops.softmax import SoftmaxAttributes
from edge_sdk.compiler.quantize.pools_to_means import pools_to_means
from edge_sdk.compiler.quantize.rewrite import BORDERS, Measured, rewrite
from edge_sdk.compiler.quantize.sensitivity import candidates, neighbours, with_rounded
from edge_sdk.quantization.running import open_graph, real_outputs
from tests.unit.compiler.quantize.float_models import chain, measured, ranges, samples, small_float_graph

SHAPE = (1, 8, 8, 3)


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def worst(graph: Graph, quantized: Graph, given: list[tuple[np.ndarray, ...]]) -> float:
    with open_graph(graph) as before, open_graph(quantized) as after:
        pairs = zip(real_outputs(before, given), real_outputs(after, given), strict=True)
        return max(float(np.abs(one[0] - other[0]).max()) for one, other in pairs)


@pytest.mark.parametrize("io", BORDERS)
def test_a_whole_model_becomes_int8_and_stays_close(io: str):
    graph = small_float_graph()
    given = samples(40, *SHAPE)
    found = measured(graph, given)
    made = rewrite(graph, found, io=io)
    assert made.refused == {}
    assert made.int8_nodes == set(graph.nodes)
    assert [value.dtype for value in (*made.graph.inputs, *made.graph.outputs)] == [io, io]
    assert [value.name for value in (*made.graph.inputs, *made.graph.outputs)] == ["x", "y"]
    assert worst(graph, made.graph, given) < 0.04


def test_borders_cost_one_node_each_and_int8_ones_none():
    graph = small_float_graph()
    found = measured(graph, samples(8, *SHAPE))
    extra = {io: Counter(ops(rewrite(graph, found, io=io).graph)) - Counter(ops(graph)) for io in BORDERS}
    assert extra == {"float32": {"quantize": 1, "dequantize": 1}, "int8": {}, "uint8": {"requantize": 2}}


def test_a_node_kept_in_float_has_seams_on_both_sides():
    graph = small_float_graph()
    given = samples(40, *SHAPE)
    found = measured(graph, given)
    depthwise = graph.nodes[1]
    made = rewrite(graph, found, keep_float={depthwise})
    assert made.int8_nodes == set(graph.nodes) - {depthwise}
    twin = next(node for node in made.graph.nodes if node.name == depthwise.name)
    assert twin.output.dtype == "float32"
    assert Counter(ops(made.graph))["quantize"] == 2
    assert worst(graph, made.graph, given) < 0.04


def test_everything_in_float_is_the_float_model():
    graph = small_float_graph()
    made = rewrite(graph, measured(graph, samples(4, *SHAPE)), keep_float=set(graph.nodes))
    assert ops(made.graph) == ops(graph)
    assert worst(graph, made.graph, samples(3, *SHAPE)) == 0


def test_the_source_graph_is_left_alone():
    graph = small_float_graph()
    before = [(node.op, list(node.inputs), list(node.outputs)) for node in graph.nodes]
    rewrite(graph, measured(graph, samples(4, *SHAPE)), io="int8")
    assert before == [(node.op, list(node.inputs), list(node.outputs)) for node in graph.nodes]
    assert all(node.output.dtype == "float32" for node in graph.nodes)


def test_correcting_biases_moves_the_mean_towards_the_float_model():
    graph = small_float_graph()
    given = samples(60, *SHAPE)
    found = measured(graph, given)
    conv = graph.nodes[0]
    # Weights that are all rounded the same way: the mean shift is large.
    conv.inputs[1] = Value("w", "float32", (8, 3, 3, 3), data=np.full((8, 3, 3, 3), 0.0149, np.float32))
    conv.inputs[1].data[:, 0, 0, 0] = 1.27
    biased = [(np.abs(sample[0]),) for sample in given]
    found = measured(graph, biased)
    shifts = []
    for means in ({}, found.means):
        made = rewrite(graph, replace(found, means=means), keep_float=set(graph.nodes[1:]))
        value = next(node for node in made.graph.nodes if node.name == conv.name).output
        with open_graph(made.graph, [value]) as model, open_graph(graph, [conv.output]) as float_model:
            q = value.quantization
            ours = [q.scale * (model.run(*x)[0].astype(float) - q.zero_point) for x in biased]
            theirs = [float_model.run(*x)[0] for x in biased]
        shifts.append(abs(float(np.mean(np.subtract(ours, theirs)))))
    assert shifts[1] < shifts[0] / 3


def test_an_op_without_int8_form_and_one_whose_check_refuses_stay_in_float():
    # A soft-max whose factor vanishes has no int8 kernel; nobody knows the op "unheard-of".
    graph = chain(("softmax", SoftmaxAttributes(beta=1e-12), (1, 8)), ("relu", None, (1, 8)), shape=(1, 8))
    made = rewrite(graph, Measured(ranges(graph, (0, 1e-3), (0, 1), (0, 1))))
    assert {node.name: reason[:4] for node, reason in made.refused.items()} == {"n0": "beta"}
    assert ops(made.graph) == ["softmax", "quantize", "relu", "dequantize"]
    odd = chain(("unheard-of", None, (1, 8)), shape=(1, 8))
    made = rewrite(odd, Measured(ranges(odd, (0, 1), (0, 1))))
    assert list(made.refused.values()) == ["no int8 form of unheard-of"]


def test_a_float_constant_operand_becomes_int8():
    x, y = Value("x", "float32", (1, 4)), Value("y", "float32", (1, 4))
    constant = Value("c", "float32", (1, 4), data=np.array([[1.0, -2.0, 0.5, 0.0]], np.float32))
    graph = Graph("g", [x], [y], [Node("add", "n", [x, constant], [y], ArithmeticAttributes())])
    made = rewrite(graph, Measured(ranges(graph, (-1, 1), (-3, 2))))
    assert ops(made.graph) == ["quantize", "add", "dequantize"]
    assert worst(graph, made.graph, samples(5, 1, 4)) < 0.03


def test_a_constant_that_is_not_finite_keeps_its_node_in_float():
    x, y = Value("x", "float32", (1, 2)), Value("y", "float32", (1, 2))
    constant = Value("c", "float32", (1, 2), data=np.array([[1.0, -np.inf]], np.float32))
    graph = Graph("g", [x], [y], [Node("add", "n", [x, constant], [y], ArithmeticAttributes())])
    made = rewrite(graph, Measured(ranges(graph, (-1, 1), (-3, 2))))
    assert list(made.refused.values()) == ["constant 'c' is not finite"]


def test_where_steps_must_be_kept_a_prescribed_input_is_requantised():
    x = Value("x", "float32", (1, 2, 2, 4))
    s, r, y = (Value(name, "float32", (1, 2, 2, 4)) for name in "sry")
    pool = PoolAttributes((1, 1), (1, 1))
    nodes = [
        Node("softmax", "s", [x], [s], SoftmaxAttributes()),
        Node("relu", "r", [x], [r]),
        Node("add", "a", [s, r], [y], ArithmeticAttributes()),
    ]
    graph = Graph("g", [x], [y], [*nodes])
    graph.nodes.append(Node("max_pool", "m", [y], [Value("z", "float32", (1, 2, 2, 4))], pool))
    graph.outputs = [graph.nodes[-1].output]
    found = ranges(graph, (-1, 1), (0, 1), (0, 1), (0, 2), (0, 2))
    assert worst(graph, rewrite(graph, Measured(found)).graph, samples(5, 1, 2, 2, 4)) < 0.03


def test_nodes_that_keep_state_stay_in_float_and_the_state_goes_along():
    state = Value("state", "float32", (1, 3))
    x, y = Value("x", "float32", (1, 3)), Value("y", "float32", (1, 3))
    nodes = [Node("add", "sum", [x, state], [state], ArithmeticAttributes()), Node("relu", "out", [state], [y])]
    graph = Graph("g", [x], [y], nodes, {state: np.ones((1, 3), np.float32)})
    made = rewrite(graph, Measured(ranges(replace(graph, states={}), (-1, 1), (-9, 9), (0, 9))))
    assert list(made.refused.values()) == ["keeps state between runs"] * 2
    assert [contents.tolist() for contents in made.graph.states.values()] == [[[1.0, 1.0, 1.0]]]
    given = [(np.full((1, 3), 2.0, np.float32),)] * 3
    with open_graph(made.graph) as model:
        assert [outputs[0][0, 0] for outputs in real_outputs(model, given)] == [3, 5, 7]


def test_a_pool_over_the_whole_image_becomes_a_mean_with_steps_of_its_own():
    whole = ("average_pool", PoolAttributes((4, 4), (4, 4)), (1, 1, 1, 2))
    parts = ("average_pool", PoolAttributes((2, 2), (2, 2)), (1, 2, 2, 2))
    for step, expected in ((whole, "mean"), (parts, "average_pool")):
        graph = chain(step)
        pools_to_means(graph)
        assert ops(graph) == [expected]
    graph = chain(whole)
    wide = chain(whole)
    pools_to_means(graph)
    given = samples(9, 1, 4, 4, 2)
    fine, coarse = (worst(g, rewrite(g, measured(g, given)).graph, given) for g in (graph, wide))
    assert fine < coarse


def test_rounding_one_tensor_alone_changes_that_tensor_alone():
    graph = small_float_graph()
    given = samples(6, *SHAPE)
    found = measured(graph, given)
    assert [value.name for value in candidates(graph)] == ["x", "a", "b", "c", "m", "dense", "y"]
    for value in candidates(graph):
        made = with_rounded(graph, found, value)
        assert Counter(ops(made)) - Counter(ops(graph)) == {"quantize": 1, "dequantize": 1}
        assert 0 < worst(graph, made, given) < 0.05


def test_who_makes_and_reads_a_tensor_is_found_through_reshapes():
    graph = small_float_graph()
    by_name = {value.name: {node.op for node in neighbours(graph, value)} for value in candidates(graph)}
    assert by_name["x"] == {"conv2d"}
    assert by_name["a"] == {"conv2d", "depthwise_conv2d", "add"}
    assert by_name["m"] == {"mean", "reshape", "fully_connected"}
