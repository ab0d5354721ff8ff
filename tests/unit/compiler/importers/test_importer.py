from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from edge_sdk.compiler.graph import Graph, Unknown
from edge_sdk.compiler.importers import IMPORTERS, import_model
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops import OPERATORS
from edge_sdk.compiler.importers.tflite.ops.refused import REASONS
from edge_sdk.compiler.ops import OPS
from edge_sdk.compiler.passes.check_nodes import check_nodes
from edge_sdk.errors import ModelError, UnsupportedModelError
from tests.unit.compiler.tflite_writer import (
    Table,
    TfliteWriter,
    add_options,
    fully_connected_options,
    options,
    small_int8_model,
)


def relu_model(writer: TfliteWriter, **tensor: Any) -> Graph:
    x = writer.tensor("x", (1, 4), "float32", **tensor)
    y = writer.tensor("y", (1, 4), "float32")
    writer.operator("RELU", [x], [y])
    return import_model(writer.finish([x], [y]), "m")


def test_nodes_keep_their_order_names_and_origin() -> None:
    graph = import_model(small_int8_model(), "small")
    assert [node.op for node in graph.nodes] == [
        "conv2d",
        "depthwise_conv2d",
        "add",
        "mean",
        "reshape",
        "fully_connected",
        "softmax",
    ]
    assert graph.nodes[0].origin == "CONV_2D"
    assert graph.nodes[0].name == "a"
    assert [value.name for value in graph.inputs + graph.outputs] == ["x", "y"]


def test_constants_and_scales_are_read_to_the_bit() -> None:
    writer = TfliteWriter()
    data = np.array([[1.5, -2.25]], np.float32)
    scales = np.array([0.1, 0.3], np.float32)
    x = writer.tensor("x", (1, 2), "float32")
    y = writer.tensor("y", (1, 1), "float32")
    weights = writer.constant("w", data, scales=list(scales), zero_points=[1, -2], axis=1)
    writer.operator("FULLY_CONNECTED", [x, weights], [y], **fully_connected_options())
    value = import_model(writer.finish([x], [y]), "m").nodes[0].inputs[1]
    assert value is not None
    assert value.data is not None
    np.testing.assert_array_equal(value.data, data)
    assert value.quantization is not None
    np.testing.assert_array_equal(value.quantization.scales, scales)
    assert value.quantization.zero_points.tolist() == [1, -2]
    assert value.quantization.axis == 1


def test_a_batch_that_the_file_calls_unknown_takes_the_stored_size() -> None:
    graph = relu_model(TfliteWriter(), fields={7: np.array([-1, 4], "<i4")})
    assert graph.inputs[0].shape == (1, 4)


def test_a_shape_that_is_really_unknown_is_refused() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (-1, 4), "float32")
    with pytest.raises(ModelError, match=r"'x' has shape \[-1, 4\]"):
        import_model(writer.finish([x], [x]), "m")


def test_operators_around_a_tensor_of_unknown_size_are_refused_with_all_others() -> None:
    writer = TfliteWriter()
    x, y, z = (writer.tensor(name, shape, "float32") for name, shape in (("x", (1, 4)), ("y", (0, 4)), ("z", (1, 4))))
    writer.operator("RELU", [x], [y])
    writer.operator("RFFT2D", [y], [z])
    graph = import_model(writer.finish([x], [z]), "m")
    with pytest.raises(UnsupportedModelError) as caught:
        check_nodes(graph)
    reasons = {refusal.operator: refusal.reason for refusal in caught.value.refusals}
    assert "every size must be known" in reasons["RELU"]
    assert "complex numbers" in reasons["RFFT2D"]


def test_what_is_refused_on_purpose_is_a_word_of_the_schema() -> None:
    assert set(REASONS) <= set(schema.BUILTIN_OPERATORS)


def test_buffers_outside_the_flatbuffer_are_read() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1, 2), "float32")
    y = writer.tensor("y", (1, 1), "float32")
    weights = writer.constant("w", np.zeros((1, 2), np.float32))
    writer.buffers[-1] = Table({schema.Buffer.OFFSET: ("Q", 0xABCDEF), schema.Buffer.SIZE: ("Q", 8)})
    writer.operator("FULLY_CONNECTED", [x, weights], [y], **fully_connected_options())
    data = writer.finish([x], [y])
    moved = data.replace(struct.pack("<Q", 0xABCDEF), struct.pack("<Q", len(data)))
    value = import_model(moved + np.array([3, 4], "<f4").tobytes(), "m").nodes[0].inputs[1]
    assert value is not None
    assert value.data is not None
    assert value.data.tolist() == [[3.0, 4.0]]
    with pytest.raises(ModelError, match="buffer of 8 bytes"):
        import_model(moved, "m")


def test_contents_of_another_size_than_the_shape_are_damage() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1, 2), "float32")
    y = writer.tensor("y", (1, 1), "float32")
    weights = writer.tensor("w", (1, 3), "float32", data=np.zeros(2, np.float32))
    writer.operator("FULLY_CONNECTED", [x, weights], [y], **fully_connected_options())
    with pytest.raises(ModelError, match=r"'w' is float32\[1, 3\] but has 8 bytes"):
        import_model(writer.finish([x], [y]), "m")


def test_another_version_is_refused() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1,), "float32")
    with pytest.raises(ModelError, match="version 2, expected 3"):
        import_model(writer.finish([x], [x], version=2), "m")


def test_one_long_list_that_every_operator_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_sdk.compiler.importers.tflite.importer.MAX_ALL_OPERANDS", 100)
    for operators, fine in ((33, True), (34, False)):
        writer = TfliteWriter()
        x = writer.tensor("x", (1,), "float32")
        for _ in range(operators):
            writer.operator("RELU", [x, x, x], [])
        data = writer.finish([x], [x])
        if fine:
            assert len(import_model(data, "m").nodes) == operators
        else:
            with pytest.raises(ModelError, match="more than 100 inputs and outputs"):
                import_model(data, "m")


def test_scales_without_zero_points_have_zeros_that_take_no_memory() -> None:
    parameters = Table({schema.QuantizationParameters.SCALE: np.full(4, 0.5, "<f4")})
    quantization = relu_model(TfliteWriter(), fields={schema.Tensor.QUANTIZATION: parameters}).inputs[0].quantization
    assert quantization is not None
    assert quantization.zero_points.tolist() == [0] * 4
    assert quantization.zero_points.strides == (0,)


def svdf_model(writer: TfliteWriter, state: int, dtype: str = "float32") -> bytes:
    """A model of one filter that remembers two inputs; its output is the sum of both."""
    x, y = writer.tensor("x", (1, 1), dtype), writer.tensor("y", (1, 1), dtype)
    weights = writer.constant("w", np.ones((1, 1), np.float32)), writer.constant("t", np.ones((1, 2), np.float32))
    writer.operator("SVDF", [x, *weights, -1, state], [y], **options(schema.SVDFOptions, RANK=("i", 1)))
    return writer.finish([x], [y])


def test_a_variable_becomes_a_state_that_its_node_reads_and_writes() -> None:
    writer = TfliteWriter()
    graph = import_model(svdf_model(writer, writer.variable("state", (1, 2), "float32")), "m")
    (state,) = graph.states
    np.testing.assert_array_equal(graph.states[state], np.zeros((1, 2), np.float32))
    (node,) = graph.nodes
    assert state in node.inputs
    assert [value.name for value in node.outputs] == ["y", "state"]


def test_an_int8_variable_starts_at_its_zero_point() -> None:
    writer = TfliteWriter()
    graph = import_model(
        svdf_model(writer, writer.variable("state", (1, 2), "int8", scales=[0.5], zero_points=[-7])), "m"
    )
    assert [contents.tolist() for contents in graph.states.values()] == [[[-7, -7]]]


def test_a_variable_that_is_too_large_or_has_contents_is_refused() -> None:
    writer = TfliteWriter()
    with pytest.raises(ModelError, match="variables take more than 268,435,456 bytes"):
        import_model(svdf_model(writer, writer.variable("state", (1, 1 << 28), "float32")), "m")
    writer = TfliteWriter()
    full = {"data": np.ones((1, 2), np.float32), "fields": {schema.Tensor.IS_VARIABLE: ("?", True)}}
    with pytest.raises(ModelError, match="variable 'state' is float32 or has contents"):
        import_model(svdf_model(writer, writer.tensor("state", (1, 2), "float32", **full)), "m")


def test_a_state_that_is_no_variable_is_refused_by_its_node() -> None:
    writer = TfliteWriter()
    graph = import_model(svdf_model(writer, writer.constant("state", np.zeros((1, 2), np.float32))), "m")
    with pytest.raises(ModelError, match=r"SVDF x1: state 'state' is no variable tensor"):
        check_nodes(graph)


def test_an_operator_that_keeps_no_state_reads_and_writes_copies_of_variables() -> None:
    writer = TfliteWriter()
    x, state = writer.tensor("x", (1,), "float32"), writer.variable("state", (1,), "float32")
    writer.operator("ADD", [x, state], [state], **add_options())
    graph = import_model(writer.finish([x], [state]), "m")
    assert [node.op for node in graph.nodes] == ["assign", "add", "assign"]
    (value,) = graph.states
    assert value not in graph.nodes[1].inputs + graph.nodes[1].outputs


def test_an_operator_without_a_row_becomes_an_unknown_node_with_its_name() -> None:
    writer = TfliteWriter()
    x, y = (writer.tensor(name, (1,), "float32") for name in "xy")
    writer.operator("HASHTABLE_FIND", [x], [y])
    (node,) = import_model(writer.finish([x], [y]), "m").nodes
    assert node.op == "HASHTABLE_FIND"
    assert isinstance(node.attributes, Unknown)


def test_a_tensor_used_before_it_is_computed_is_damage() -> None:
    writer = TfliteWriter()
    x, y, z = (writer.tensor(name, (1,), "float32") for name in "xyz")
    writer.operator("RELU", [y], [z])
    writer.operator("RELU", [x], [y])
    with pytest.raises(ModelError, match="'y' is used before"):
        import_model(writer.finish([x], [z]), "m")


def test_a_tensor_computed_twice_is_damage() -> None:
    writer = TfliteWriter()
    x, y = (writer.tensor(name, (1,), "float32") for name in "xy")
    writer.operator("RELU", [x], [y])
    writer.operator("RELU", [x], [y])
    with pytest.raises(ModelError, match="writes 'y'"):
        import_model(writer.finish([x], [y]), "m")


def test_the_same_input_twice_is_refused() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1,), "float32")
    with pytest.raises(ModelError, match="twice"):
        import_model(writer.finish([x, x], [x]), "m")


def test_a_reshape_needs_no_computed_shape() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1, 2, 2), "float32")
    shape = writer.tensor("shape", (3,), "int32")
    flat = writer.tensor("flat", (1, 4), "float32")
    writer.operator("WHERE", [x], [shape])
    writer.operator("RESHAPE", [x, shape], [flat])
    nodes = import_model(writer.finish([x], [flat]), "m").nodes
    assert [node.op for node in nodes] == ["WHERE", "reshape"]
    assert len(nodes[1].inputs) == 1


def test_a_shape_that_is_computed_from_static_ones_is_known_at_once() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (2, 3), "float32")
    shape = writer.tensor("shape", (2,), "int32")
    backwards = writer.tensor("backwards", (2,), "int32")
    y = writer.tensor("y", (2, 3), "float32")
    writer.operator("SHAPE", [x], [shape])
    writer.operator("REVERSE_V2", [shape, writer.constant("axes", np.array([0], np.int32))], [backwards])
    writer.operator("RESHAPE", [x, backwards], [y])
    reshape = import_model(writer.finish([x], [y]), "m").nodes[-1]
    assert isinstance(reshape.attributes, Unknown)
    assert reshape.attributes.reason == "reshape to [3, 2], but its output is [2, 3]"


def test_a_reshape_that_contradicts_its_output_is_refused() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1, 4), "float32")
    y = writer.tensor("y", (2, 2), "float32")
    writer.operator("RESHAPE", [x, writer.constant("s", np.array([4, -1], np.int32))], [y])
    (node,) = import_model(writer.finish([x], [y]), "m").nodes
    assert isinstance(node.attributes, Unknown)
    assert "[4, 1]" in node.attributes.reason


def test_options_of_another_operator_are_refused() -> None:
    writer = TfliteWriter()
    x, y = (writer.tensor(name, (1, 4), "float32") for name in "xy")
    writer.operator("SOFTMAX", [x], [y], {0: ("f", 1.0)}, union=schema.AddOptions.UNION)
    (node,) = import_model(writer.finish([x], [y]), "m").nodes
    assert isinstance(node.attributes, Unknown)


@pytest.mark.parametrize("data", [b"", b"x", b"\x08\x07onnx", b"\0asm\1\0\0\0"])
def test_other_files_are_named_as_such(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"tflite|WebAssembly"):
        import_model(data, "m")


def test_every_row_names_something_that_exists() -> None:
    for row in IMPORTERS.values():
        assert callable(row.load())
    assert {row for row in OPERATORS if not row.startswith("CUSTOM '")} <= set(schema.BUILTIN_OPERATORS)
    assert list(OPERATORS) == sorted(OPERATORS)
    assert list(OPS) == sorted(OPS)
