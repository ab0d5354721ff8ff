from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert_graph
from edge_sdk.errors import ModelError, UsageError
from edge_sdk.quantization import Order, Quantized, quantize
from tests.unit.compiler.quantize.float_models import samples, small_float_model
from tests.unit.compiler.tflite_writer import TfliteWriter, add_options, small_int8_model

SHAPE = (1, 8, 8, 3)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return saved(tmp_path, 40)


def saved(folder: Path, count: int, **more: np.ndarray) -> Path:
    path = folder / "capture.npz"
    np.savez(path, x=np.concatenate([sample[0] for sample in samples(count, *SHAPE)]), **more)
    return path


def made(capture: Path, **order: object) -> Quantized:
    return quantize(small_float_model(), "small", Order(capture, bench_s=0, **order))


def test_every_second_sample_judges_and_the_others_calibrate(capture: Path):
    report = made(capture, keep_float=()).report
    assert report.samples == {"calibration": 20, "comparison": 20}
    assert report.held_out
    assert report.chooses_a_class
    assert report.outcome.signal_to_noise_db > 15


def test_few_samples_do_both_and_are_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        report = made(saved(tmp_path, 5), keep_float=()).report
    assert report.samples == {"calibration": 5, "comparison": 5}
    assert not report.held_out
    assert "5 samples; at least 32 tell more" in caplog.text


def test_the_same_file_and_capture_give_the_same_bytes(capture: Path):
    one, other = (convert_graph(made(capture).graph, source_sha256="0" * 64).module for _ in range(2))
    assert one == other


def test_the_soft_max_before_a_float_border_stays_in_float_unless_told_otherwise(capture: Path):
    kept = {io: [node.op for node in made(capture, io=io).report.nodes if not node.int8] for io in ("float32", "int8")}
    assert kept["float32"][-1:] == ["softmax"]
    assert "softmax" not in kept["int8"]
    assert [node.op for node in made(capture, keep_float=()).report.nodes if not node.int8] == []


def test_nodes_are_kept_by_name_and_by_number(capture: Path):
    nodes = made(capture, keep_float=("0", "dense")).report.nodes
    assert [(node.index, node.reason) for node in nodes if not node.int8] == [(0, "as told"), (5, "as told")]


def test_labels_give_an_accuracy_before_and_after(tmp_path: Path):
    report = made(saved(tmp_path, 40, labels=np.zeros(40, np.int64)), keep_float=()).report
    assert report.float_accuracy is not None
    assert report.outcome.accuracy is not None
    assert "accuracy" in report.text()


def test_when_the_target_is_out_of_reach_each_tensor_is_tried_alone(capture: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edge_sdk.quantization.search.TARGET_AGREEMENT", 1.01)
    told: list[str] = []
    report = quantize(
        small_float_model(), "small", Order(capture, bench_s=0), lambda what, _done, _all: told.append(what)
    ).report
    assert not report.target_reached
    assert report.trials == 4
    assert told.count("rounding each tensor alone") == 7
    assert all(node.alone_db > 10 for node in report.nodes if node.op not in ("reshape",))


def test_speed_and_size_are_measured(capture: Path):
    report = quantize(small_float_model(), "small", Order(capture, keep_float=(), bench_s=0.05)).report
    assert report.speed.ratio > 0
    assert report.quantized_bytes > 0
    assert "measured here" in report.text()


@pytest.mark.parametrize(
    ("order", "error", "text"),
    [
        ({"keep_float": ("dens",)}, UsageError, "has no node 'dens'.*'dense'"),
        ({"keep_float": ("99",)}, UsageError, "numbered 0 to 6"),
        ({"io": "int16"}, UsageError, "int16"),
        ({"calibration": "guess"}, UsageError, "guess"),
    ],
)
def test_orders_that_cannot_be_carried_out_are_refused(capture: Path, order: dict, error: type, text: str):
    with pytest.raises(error, match=text):
        made(capture, **order)


def test_a_model_that_is_int8_already_is_refused(capture: Path):
    with pytest.raises(ModelError, match="no float32 operator"):
        quantize(small_int8_model(), "small", Order(capture))


def test_a_model_may_have_more_tensors_than_a_module_has_outputs(tmp_path: Path):
    model = TfliteWriter()
    one = model.constant("one", np.ones((1, 4), np.float32))
    tensors = [model.tensor(f"t{index}", (1, 4), "float32") for index in range(101)]
    for before, after in pairwise(tensors):
        model.operator("ADD", [before, one], [after], **add_options())
    np.savez(tmp_path / "capture.npz", x=np.random.default_rng(2).normal(size=(8, 1, 4)))
    data = model.finish(tensors[:1], tensors[-1:])
    report = quantize(data, "long", Order(tmp_path / "capture.npz", keep_float=(), bench_s=0)).report
    assert sum(node.int8 for node in report.nodes) == 100
