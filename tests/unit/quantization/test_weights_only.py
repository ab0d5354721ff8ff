from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert_graph
from edge_sdk.compiler.passes import narrow_constants
from edge_sdk.errors import ModelError, UsageError
from edge_sdk.quantization import WeightsOrder, shrink_weights
from edge_sdk.runtime.session import open_session
from tests.unit.compiler.quantize.weights_models import heavy_float_graph, heavy_float_model, heavy_samples
from tests.unit.compiler.tflite_writer import small_int8_model

FORMS = {"dynamic": 0.35, "float16": 0.6}


def module(form: str, *, standalone: bool = False) -> bytes:
    graph = shrink_weights(heavy_float_model(), "heavy", WeightsOrder(form)).graph
    kernels = (files("edge_sdk") / "kernels.wasm").read_bytes() if standalone else None
    return convert_graph(graph, source_sha256="0" * 64, standalone=standalone, kernels=kernels).module


def outputs(code: bytes, engine: str) -> bytes:
    with open_session(code, engine=engine) as model:
        return b"".join(model.run(x)[0].tobytes() for x in heavy_samples(3))


@pytest.mark.parametrize("form", FORMS)
def test_weights_widened_by_prepare_give_the_bits_of_weights_stored_wide(form: str, monkeypatch: pytest.MonkeyPatch):
    narrow, alone = module(form), module(form, standalone=True)
    monkeypatch.setattr(narrow_constants, "LEAST_ELEMENTS", 1 << 30)
    wide, wide_alone = module(form), module(form, standalone=True)
    assert len(narrow) < FORMS[form] * len(wide)
    for engine in ("host", "sandbox"):
        assert outputs(narrow, engine) == outputs(wide, engine)
    assert outputs(alone, "sandbox") == outputs(wide_alone, "sandbox")


@pytest.mark.parametrize(("form", "least_db"), [("dynamic", 30), ("float16", 60)])
def test_samples_tell_how_far_the_outputs_are_from_the_float_models(form: str, least_db: float, tmp_path: Path):
    path = tmp_path / "capture.npz"
    np.savez(path, x0=heavy_samples(8), labels=np.zeros(8, np.int64))
    report = shrink_weights(heavy_float_model(), "heavy", WeightsOrder(form, path)).report
    assert report.evaluation.samples == 8
    assert least_db < report.evaluation.outcome.signal_to_noise_db < 2.5 * least_db
    assert report.narrow_bytes < FORMS[form] * report.float_bytes
    text = report.text()
    assert f"{form}, 3 of 4 layers" in text
    assert "float32: 1: fewer than 1024 weights" in text
    assert "compared      8 samples" in text
    assert "accuracy" in text


def test_a_model_without_float_weights_is_refused():
    with pytest.raises(ModelError, match="no layer has float weights that can be float16"):
        shrink_weights(small_int8_model(), "small", WeightsOrder("float16"))
    with pytest.raises(UsageError, match="expected one of dynamic, float16"):
        shrink_weights(heavy_float_model(), "heavy", WeightsOrder("int4"))


def test_one_widening_serves_all_nodes_that_share_weights():
    graph = heavy_float_graph()
    first, twin = graph.nodes[1], heavy_float_graph().nodes[1]
    twin.inputs = first.inputs
    graph.nodes.append(twin)
    graph.outputs.append(twin.output)
    sizes = []
    for one in (heavy_float_graph(), graph):
        for node in one.nodes[:2]:
            node.inputs[1].data = np.rint(node.inputs[1].data * 100)
        sizes.append(convert_graph(one, source_sha256="0" * 64).report.memory["widened"])
    assert sizes == [4 * (9 * 128 + 9 * 128 * 16)] * 2
