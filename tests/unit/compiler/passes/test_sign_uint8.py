from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert
from edge_sdk.compiler.graph import Graph, Node, Quantization, Value
from edge_sdk.compiler.passes.sign_uint8 import sign_uint8
from edge_sdk.runtime.session import open_session
from tests.unit.compiler.tflite_writer import TfliteWriter


def quantized(name: str, zero_point: int = 128, *, dtype: str = "uint8", data: np.ndarray | None = None) -> Value:
    steps = Quantization(np.array([0.5], np.float32), np.array([zero_point], np.int64))
    return Value(name, dtype, (1, 4), steps, data)


def graph_of(op: str, x: Value, y: Value, *more: Value) -> Graph:
    return Graph("g", [x], [y], [Node(op, "node", [x, *more], [y])])


def test_inside_the_graph_uint8_becomes_int8_and_the_border_stays() -> None:
    x, y = quantized("x", 200), quantized("y", 0)
    graph = graph_of("relu", x, y)
    sign_uint8(graph)
    assert [node.op for node in graph.nodes] == ["requantize", "relu", "requantize"]
    assert (graph.inputs, graph.outputs) == ([x], [y])
    assert (x.dtype, y.dtype) == ("uint8", "uint8")
    relu = graph.nodes[1]
    assert relu.inputs[0] is graph.nodes[0].output
    assert relu.output is graph.nodes[2].inputs[0]
    for value, zero_point in ((relu.inputs[0], 72), (relu.output, -128)):
        assert value is not None
        assert value.quantization is not None
        assert (value.dtype, value.unsigned, value.quantization.zero_point) == ("int8", True, zero_point)


def test_constants_keep_their_real_values() -> None:
    weights = quantized("w", 130, data=np.array([[0, 127, 128, 255]], np.uint8))
    sign_uint8(graph_of("fully_connected", quantized("x"), quantized("y"), weights))
    assert weights.data is not None
    assert weights.quantization is not None
    assert weights.data.dtype == np.int8
    assert weights.data.tolist() == [[-128, -1, 0, 127]]
    assert (weights.data.astype(int) - weights.quantization.zero_point).tolist() == [[-130, -3, -2, 125]]


@pytest.mark.parametrize("op", ["dequantize", "requantize"])
def test_ops_that_take_both_kinds_need_no_flip_at_the_border(op: str) -> None:
    graph = graph_of(op, quantized("x"), quantized("y", 0, dtype="int8"))
    sign_uint8(graph)
    assert [node.op for node in graph.nodes] == [op]


def test_uint8_without_a_scale_is_plain_numbers_and_stays() -> None:
    x, y = Value("x", "uint8", (1, 4)), Value("y", "uint8", (1, 4))
    graph = graph_of("reshape", x, y)
    sign_uint8(graph)
    assert len(graph.nodes) == 1
    assert (x.dtype, y.dtype, x.unsigned) == ("uint8", "uint8", False)


def test_an_output_that_other_nodes_read_is_given_out_and_read() -> None:
    model = TfliteWriter()
    x = model.tensor("x", (1, 4), "uint8", scales=[0.5], zero_points=[128])
    y = model.tensor("y", (1, 4), "uint8", scales=[0.5], zero_points=[128])
    z = model.tensor("z", (1, 4), "uint8", scales=[0.5], zero_points=[128])
    model.operator("RELU", [x], [y])
    model.operator("RELU6", [y], [z])
    module = convert(model.finish([x], [y, z, y]), name="twice").module
    with open_session(module, engine="sandbox") as session:
        got = session.run(np.array([[0, 128, 138, 255]], np.uint8))
    assert [array.tolist() for array in got] == [[[128, 128, 138, 255]], [[128, 128, 138, 140]], [[128, 128, 138, 255]]]
