from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.quantize.weights_only import narrow_weights
from tests.unit.compiler.quantize.float_models import chain
from tests.unit.compiler.quantize.weights_models import heavy_float_graph


def test_dynamic_weights_are_int8_with_a_scale_for_each_channel_and_none_is_off_by_more_than_half_of_it():
    floats, graph = heavy_float_graph(), heavy_float_graph()
    narrow_weights(graph, "dynamic")
    layers = [
        (before, after) for before, after in zip(floats.nodes, graph.nodes, strict=True) if before.op != "reshape"
    ]
    for (before, after), axis in zip(layers[:3], (3, 0, 0), strict=True):
        real, steps = before.inputs[1], after.inputs[1]
        q = steps.quantization
        assert (steps.dtype, q.axis, q.scales.size) == ("int8", axis, real.shape[axis])
        assert np.abs(steps.data.astype(int)).max() == 127
        scales = q.scales.reshape([-1 if k == axis else 1 for k in range(len(real.shape))])
        assert (np.abs(steps.data * scales - real.data) <= 0.5001 * scales).all()
        assert after.inputs[2].data.tobytes() == before.inputs[2].data.tobytes()
    assert [after.attributes.asymmetric for _, after in layers[2:]] == [True, False]


def test_float16_weights_are_the_nearest_float16_numbers():
    floats, graph = heavy_float_graph(), heavy_float_graph()
    narrow_weights(graph, "float16")
    for before, after in list(zip(floats.nodes, graph.nodes, strict=True))[:2]:
        wanted = before.inputs[1].data.astype(np.float16).astype(np.float32)
        assert np.array_equal(after.inputs[1].data, wanted)
        assert not np.array_equal(after.inputs[1].data, before.inputs[1].data)


@pytest.mark.parametrize("form", ["dynamic", "float16"])
def test_small_weights_stay_and_the_reason_is_given(form: str):
    graph = heavy_float_graph()
    weights = graph.nodes[-1].inputs[1]
    reasons = narrow_weights(graph, form)
    assert list(reasons.values()) == ["", "", "", "fewer than 1024 weights"]
    assert graph.nodes[-1].inputs[1] is weights


@pytest.mark.parametrize(
    ("form", "largest", "reason"),
    [
        ("float16", 7e4, "a weight is beyond the range of float16"),
        ("float16", 6e4, ""),
        ("dynamic", np.inf, "a weight is no finite number"),
    ],
)
def test_what_a_form_cannot_hold_stays(form: str, largest: float, reason: str):
    reasons = narrow_weights(heavy_float_graph(largest), form)
    assert list(reasons.values())[2] == reason


def test_a_layer_that_the_op_does_not_take_stays():
    graph = heavy_float_graph()
    graph.nodes[1].inputs[2].data = None
    weights, reasons = graph.nodes[1].inputs[1], narrow_weights(graph, "dynamic")
    assert reasons[graph.nodes[1]] == "a bias that is not constant"
    assert graph.nodes[1].inputs[1] is weights


def test_weights_of_two_nodes_are_narrowed_once():
    graph = heavy_float_graph()
    first, second = graph.nodes[3], heavy_float_graph().nodes[3]
    second.inputs = [first.inputs[0], *first.inputs[1:]]
    graph.nodes.append(second)
    narrow_weights(graph, "dynamic")
    assert first.inputs[1].dtype == "int8"
    assert second.inputs[1] is first.inputs[1]


def test_nodes_without_weights_are_none_of_its_business():
    assert narrow_weights(chain(("softmax", None, (1, 4, 4, 2))), "dynamic") == {}
