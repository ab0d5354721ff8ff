"""The graph passes, each on the smallest graph that shows what it does."""

from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.graph import Graph, Node, Quantization, Unknown, Value
from edge_sdk.compiler.ops.binary import ArithmeticAttributes
from edge_sdk.compiler.passes import run_passes
from edge_sdk.compiler.passes.advice import advice
from edge_sdk.compiler.passes.alias_reshapes import alias_reshapes
from edge_sdk.compiler.passes.check_nodes import MAX_LINES, check_nodes
from edge_sdk.compiler.passes.drop_dead_nodes import drop_dead_nodes
from edge_sdk.compiler.passes.fold_constants import fold_constants
from edge_sdk.compiler.passes.fuse_activations import fuse_activations
from edge_sdk.errors import ModelError, UnsupportedModelError


def steps(scale: float = 0.5, zero_point: int = 0) -> Quantization:
    return Quantization(np.array([scale], np.float32), np.array([zero_point]))


def real(name: str, *shape: int) -> Value:
    return Value(name, "float32", shape)


def test_nodes_that_no_output_needs_are_dropped_with_what_feeds_them() -> None:
    x, y, a, b = (real(name, 2) for name in "xyab")
    graph = Graph(
        "g", [x], [y], [Node("relu", "a", [x], [a]), Node("relu", "b", [a], [b]), Node("relu", "y", [x], [y])]
    )
    drop_dead_nodes(graph)
    assert [node.name for node in graph.nodes] == ["y"]


def test_half_precision_weights_become_single_precision_ones() -> None:
    half = Value("w16", "float16", (2,), data=np.array([1.5, -2.0], np.float16))
    full, x, y = real("w", 2), real("x", 2), real("y", 2)
    graph = Graph(
        "g",
        [x],
        [y],
        [Node("dequantize", "w", [half], [full]), Node("add", "y", [x, full], [y], ArithmeticAttributes())],
    )
    fold_constants(graph)
    assert [node.op for node in graph.nodes] == ["add"]
    assert full.data is not None
    assert full.data.dtype == np.float32
    assert full.data.tolist() == [1.5, -2.0]


def test_constant_quantisation_and_reshape_are_computed_ahead() -> None:
    data = Value("d", "float32", (4,), data=np.array([-0.75, -0.25, 0.25, 200.0], np.float32))
    q = Value("q", "uint8", (4,), quantization=steps(0.5, 128))
    turned = Value("r", "uint8", (2, 2), quantization=steps(0.5, 128))
    graph = Graph("g", [], [turned], [Node("quantize", "q", [data], [q]), Node("reshape", "r", [q], [turned])])
    fold_constants(graph)
    assert graph.nodes == []
    assert turned.data is not None
    assert turned.data.tolist() == [[126, 127], [129, 255]]


def test_refusals_are_listed_together_with_count_reason_nodes_and_what_to_do() -> None:
    x, y = Value("x", "int32", (2,)), Value("y", "int32", (2,))
    nodes = [
        *(Node("LSTM", f"s{index}", [x], [y], Unknown("no such operator"), "LSTM") for index in range(5)),
        Node("relu", "r1", [x], [y], None, "RELU"),
        Node("RFFT2D", "f1", [x], [y], Unknown("complex"), "RFFT2D"),
    ]
    with pytest.raises(UnsupportedModelError) as caught:
        check_nodes(Graph("kws", [x], [y], nodes))
    assert caught.value.message.splitlines() == [
        "kws: 7 of 7 operators cannot be converted:",
        "  LSTM x5: no such operator (nodes 's0', 's1', 's2' and 2 more)",
        "  RELU x1: int32 tensors (node 'r1')",
        "    -> replace the operator before training or export",
        "  RFFT2D x1: complex (node 'f1')",
        "    -> take spectra before the model: the pipeline has a step `spectrum`",
    ]
    assert [len(refusal.nodes) for refusal in caught.value.refusals] == [5, 1, 1]


def test_a_long_list_of_refusals_is_cut_and_the_error_has_all() -> None:
    x = real("x", 1)
    nodes = [Node("X", f"n{index}", [x], [x], Unknown(f"reason {index}"), "X") for index in range(100)]
    with pytest.raises(UnsupportedModelError) as caught:
        check_nodes(Graph("g", [x], [x], nodes))
    assert len(caught.value.message.splitlines()) == 1 + MAX_LINES + 1
    assert "60 more" in caught.value.message
    assert len(caught.value.refusals) == 100


@pytest.mark.parametrize(
    ("operator", "reason", "words"),
    [
        ("CUSTOM 'FlexErf'", "no such operator", "TFLITE_BUILTINS"),
        ("CUSTOM 'Mine'", "no such operator", "custom operator"),
        ("CONV_2D", "int8 weights of float activations in groups", "--quantize"),
        ("RESHAPE", "tensor 'x' has shape [-1]; every size must be known and positive", "fixed input shapes"),
        ("PAD", "paddings that are not constant", "constant"),
        ("LSTM", "no such operator", "replace the operator"),
    ],
)
def test_advice_is_about_the_operator_or_the_reason(operator: str, reason: str, words: str) -> None:
    assert words in advice(operator, reason)


def add_then(op: str, before: Value, after: Value, *, extra_reader: bool = False) -> Graph:
    x = Value("x", before.dtype, before.shape, steps())
    outputs = [after, before] if extra_reader else [after]
    nodes = [Node("add", "a", [x, x], [before], ArithmeticAttributes()), Node(op, "r", [before], [after])]
    return Graph("g", [x], outputs, nodes)


def test_a_float_relu_is_fused_into_the_node_before() -> None:
    graph = add_then("relu6", real("a", 3), real("r", 3))
    fuse_activations(graph)
    (node,) = graph.nodes
    assert node.attributes == ArithmeticAttributes("relu6")
    assert node.output is graph.outputs[0]


def test_an_int8_relu_that_keeps_the_quantisation_is_fused() -> None:
    graph = add_then("relu", Value("a", "int8", (3,), steps()), Value("r", "int8", (3,), steps()))
    fuse_activations(graph)
    assert len(graph.nodes) == 1


def test_an_int8_relu_that_changes_the_scale_stays() -> None:
    graph = add_then("relu", Value("a", "int8", (3,), steps(0.5)), Value("r", "int8", (3,), steps(0.25)))
    fuse_activations(graph)
    assert [node.op for node in graph.nodes] == ["add", "relu"]


def test_a_relu_whose_input_is_read_elsewhere_stays() -> None:
    graph = add_then("relu", real("a", 3), real("r", 3), extra_reader=True)
    fuse_activations(graph)
    assert [node.op for node in graph.nodes] == ["add", "relu"]


def test_only_the_first_of_two_activations_is_fused() -> None:
    graph = add_then("relu6", real("a", 3), real("r", 3))
    graph.nodes.append(Node("relu", "r2", [graph.outputs[0]], [real("s", 3)]))
    graph.outputs = [graph.nodes[-1].output]
    fuse_activations(graph)
    assert [node.op for node in graph.nodes] == ["add", "relu"]
    assert graph.nodes[0].attributes == ArithmeticAttributes("relu6")


def test_reshapes_become_views() -> None:
    x, y, z = real("x", 4), real("y", 2, 2), real("z", 1, 4)
    graph = Graph("g", [x], [z], [Node("reshape", "y", [x], [y]), Node("reshape", "z", [y], [z])])
    alias_reshapes(graph)
    assert graph.nodes == []
    assert z.storage is x


def test_a_model_of_supported_nodes_passes_and_keeps_its_order() -> None:
    x, y, z = real("x", 4), real("y", 4), real("z", 2, 2)
    graph = Graph(
        "g", [x], [z], [Node("add", "y", [x, x], [y], ArithmeticAttributes()), Node("reshape", "z", [y], [z])]
    )
    run_passes(graph)
    assert [node.name for node in graph.nodes] == ["y"]
    assert z.storage is y


def test_constants_that_would_fill_the_memory_are_refused() -> None:
    half = Value("w16", "float16", (3,), data=np.zeros(3, np.float16))
    full = [real(name, 3) for name in "ab"]
    graph = Graph("g", [], full, [Node("dequantize", value.name, [half], [value]) for value in full])
    with pytest.raises(ModelError, match="g: its weights take more than 20 bytes"):
        fold_constants(graph, most_bytes=20)
