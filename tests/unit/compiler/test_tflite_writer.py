"""The writer writes what LiteRT reads: types, vectors in options, custom options, further subgraphs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.real.oracle import Oracle, OracleError
from tests.unit.compiler.tflite_writer import TfliteWriter, flexbuffer

flexbuffers = pytest.importorskip("flatbuffers.flexbuffers", reason="flatbuffers comes with ai-edge-litert")


@pytest.fixture
def oracle():
    pytest.importorskip("ai_edge_litert", reason="the oracle is not installed: pip install ai-edge-litert")
    with Oracle() as running:
        yield running


def test_flexbuffers_hold_what_was_put_in() -> None:
    values = {"max_detections": 10, "y_scale": 10.5, "use_regular_nms": True, "b": False, "name": "naïve", "n": -3}
    assert flexbuffers.Loads(flexbuffer(values)) == values
    assert flexbuffers.Loads(flexbuffer({})) == {}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "bool", "float32"])
def test_constants_of_every_type_arrive(oracle: Oracle, dtype: str) -> None:
    model = TfliteWriter()
    data = np.array([[1, 0, 3]]).astype(dtype)
    x = model.tensor("x", (1, 3), dtype)
    y = model.tensor("y", (2, 3), dtype)
    model.operator("CONCATENATION", [x, model.constant("c", data)], [y], {0: ("i", 0)}, union=10)
    ((found,),) = oracle.run(model.finish([x], [y]), [[np.zeros((1, 3), dtype)]])
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.concatenate([np.zeros((1, 3), dtype), data]))


def test_a_vector_in_the_options_arrives(oracle: Oracle) -> None:
    model = TfliteWriter()
    x, y = model.tensor("x", (1, 2, 1, 3), "float32"), model.tensor("y", (2, 1, 3), "float32")
    model.operator("SQUEEZE", [x], [y], {0: np.array([0], "<i4")}, union=30)
    ((found,),) = oracle.run(model.finish([x], [y]), [[np.ones((1, 2, 1, 3), np.float32)]])
    assert found.shape == (2, 1, 3)


def test_state_is_kept_within_a_sequence_and_gone_in_the_next(oracle: Oracle) -> None:
    model = TfliteWriter()
    x, y = model.tensor("x", (1, 2), "float32"), model.tensor("y", (1, 1), "float32")
    state = model.variable("state", (1, 3), "float32")
    features = model.constant("features", np.ones((1, 2), np.float32))
    times = model.constant("time", np.ones((1, 3), np.float32))
    model.operator("SVDF", [x, features, times, -1, state], [y], {0: ("i", 1)}, union=6)
    data, call = model.finish([x], [y]), [np.ones((1, 2), np.float32)]
    for _ in range(2):
        assert [float(outputs[0].item()) for outputs in oracle.run(data, [call] * 4)] == [2, 4, 6, 6]


def test_other_subgraphs_are_bodies_of_control_flow(oracle: Oracle) -> None:
    model = TfliteWriter()
    x, y = model.tensor("x", (2,), "float32"), model.tensor("y", (2,), "float32")
    chosen = model.constant("chosen", np.array([True]))
    for name in ("RELU", "NEG"):
        body = model.subgraph()
        a, b = body.tensor("a", (2,), "float32"), body.tensor("b", (2,), "float32")
        body.operator(name, [a], [b])
        body.end([a], [b])
    model.operator("IF", [chosen, x], [y], {0: ("i", 2), 1: ("i", 1)}, union=92)
    ((found,),) = oracle.run(model.finish([x], [y]), [[np.array([-1, 2], np.float32)]])
    np.testing.assert_array_equal(found, [1, -2])


def test_a_model_that_the_oracle_refuses_does_not_end_the_questions(oracle: Oracle) -> None:
    model = TfliteWriter()
    x, y = model.tensor("x", (2,), "float32"), model.tensor("y", (2,), "float32")
    model.operator("Nonsense", [x], [y], custom=flexbuffer({}))
    data = model.finish([x], [y])
    with pytest.raises(OracleError, match="Nonsense"):
        oracle.run(data, [[np.zeros(2, np.float32)]])
    other = TfliteWriter()
    x, y = other.tensor("x", (2,), "float32"), other.tensor("y", (2,), "float32")
    other.operator("RELU", [x], [y])
    assert oracle.run(other.finish([x], [y]), [[np.zeros(2, np.float32)]])


def test_intermediate_results_are_shown_by_name_and_those_without_by_number(oracle: Oracle) -> None:
    model = TfliteWriter()
    x, inner, nameless, y = (model.tensor(name, (2,), "float32") for name in ("x", "inner", "", "y"))
    for before, after in ((x, inner), (inner, nameless), (nameless, y)):
        model.operator("NEG", [before], [after])
    call = [np.array([1, -2], np.float32)]
    (((output,), shown),) = oracle.tensors(model.finish([x], [y]), [call], ["inner", "tensor 2", "nowhere"])
    np.testing.assert_array_equal(output, [-1, 2])
    assert {name: array.tolist() for name, array in shown.items()} == {"inner": [-1, 2], "tensor 2": [1, -2]}
