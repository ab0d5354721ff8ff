"""Detectors: what the reference refuses or leaves undefined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert
from edge_sdk.errors import ModelError
from tests.conformance.engines import ENGINES, compiling_here, run
from tests.unit.compiler import tflite_writer as tflite

OPTIONS: dict[str, Any] = {
    "max_detections": 4,
    "max_classes_per_detection": 1,
    "num_classes": 2,
    "nms_score_threshold": 0.25,
    "nms_iou_threshold": 0.5,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}
BOXES = 3
#: Side by side, one wide.
ANCHORS = np.array([[0.5, index, 1, 1] for index in range(BOXES)], np.float32)


def detector(options: dict[str, Any], anchors: np.ndarray = ANCHORS, dtype: str = "float32", outputs: int = 4) -> bytes:
    model = tflite.TfliteWriter()
    steps = {} if dtype == "float32" else {"scales": [0.1], "zero_points": [0]}
    boxes = model.tensor("boxes", (1, BOXES, 4), dtype, **steps)
    scores = model.tensor("scores", (1, BOXES, 3), dtype, **steps)
    found = [model.tensor(f"out{index}", (), "float32") for index in range(outputs)]
    custom = tflite.flexbuffer(options)
    model.operator("TFLite_Detection_PostProcess", [boxes, scores, model.constant("anchors", anchors)], found,
                   custom=custom)  # fmt: skip
    return model.finish([boxes, scores], found)


def detect(options: dict[str, Any], scores: list[list[float]]) -> list[list[np.ndarray]]:
    """Return the outputs of both engines, background scores 0."""
    module = convert(detector(options), name="detector").module
    given = np.array([[[0, *row] for row in scores]], np.float32)
    with compiling_here():
        return [run(module, engine, [[np.zeros((1, BOXES, 4), np.float32), given]])[0] for engine in ENGINES]


def test_slots_without_a_detection_are_zero() -> None:
    for boxes, classes, scores, count in detect(OPTIONS, [[0.1, 0.1], [0.3, 0.9], [0.4, 0.1]]):
        assert classes.tolist() == [[1, 0, 0, 0]]
        assert scores.tolist() == [[np.float32(0.9), np.float32(0.4), 0, 0]]
        np.testing.assert_array_equal(boxes[0, 2:], 0)
        np.testing.assert_allclose(boxes[0, 0], [0, 0.5, 1, 1.5])
        assert count.tolist() == [2]


def test_scores_that_are_no_numbers_detect_nothing() -> None:
    nan = float("nan")
    for by_class in (False, True):
        for _, _, scores, count in detect(
            OPTIONS | {"use_regular_nms": by_class}, [[nan, nan], [0.3, 0.5], [nan, 0.1]]
        ):
            assert count.tolist() == [2 if by_class else 1]
            assert np.isfinite(scores).all()


def test_more_classes_per_detection_than_there_are_leave_slots_empty() -> None:
    options = OPTIONS | {"max_detections": 2, "max_classes_per_detection": 3}
    for _, classes, scores, count in detect(options, [[0.5, 0.6], [0, 0], [0, 0]]):
        assert classes.tolist() == [[1, 0, 0, 0, 0, 0]]
        assert scores.tolist() == [[np.float32(0.6), np.float32(0.5), 0, 0, 0, 0]]
        assert count.tolist() == [1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_detections": 0}, "0 detections"),
        ({"max_detections": 1 << 30}, "at most 65536 in all"),
        ({"max_detections": "many"}, "'many', expected a number"),
        ({"max_detections": float("nan")}, "option 'max_detections' is nan"),
        ({"num_classes": 7}, "of 7 classes"),
        ({"num_classes": 0}, "0 classes"),
        ({"nms_iou_threshold": 0.0}, "overlap threshold 0.0"),
        ({"nms_score_threshold": float("inf")}, "score threshold inf"),
        ({"y_scale": 0.0}, "scales"),
        ({"use_regular_nms": True, "detections_per_class": 0}, "0 detections per class"),
    ],
)
def test_options_that_the_reference_cannot_run_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        convert(detector(OPTIONS | change), name="detector")


def test_options_that_are_damaged_are_refused_by_name() -> None:
    data = detector(OPTIONS).replace(tflite.flexbuffer(OPTIONS), bytes(len(tflite.flexbuffer(OPTIONS))))
    with pytest.raises(ModelError, match="TFLite_Detection_PostProcess' x1: custom options that are no map"):
        convert(data, name="detector")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"anchors": -ANCHORS}, "height or width is negative"),
        ({"anchors": ANCHORS[:2]}, r"anchors of shape \(2, 4\)"),
        ({"anchors": ANCHORS.astype(np.int32)}, "int32 anchors"),
        ({"dtype": "int8"}, "int8 tensors, expected uint8 or float32"),
        ({"outputs": 3}, "3 outputs, expected 4"),
    ],
)
def test_tensors_that_the_reference_does_not_take_are_refused(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        convert(detector(OPTIONS, **more), name="detector")


def test_soft_suppression_of_negative_scores_is_refused() -> None:
    model = tflite.TfliteWriter()
    boxes, scores = model.tensor("boxes", (5, 4), "float32"), model.tensor("scores", (5,), "float32")
    settings = [np.array(3, np.int32), *(np.array(value, np.float32) for value in (0.5, -1.0, 0.5))]
    constants = [model.constant(f"c{index}", value) for index, value in enumerate(settings)]
    kept = [model.tensor("kept", (3,), "int32"), model.tensor("s", (3,), "float32"), model.tensor("n", (), "int32")]
    model.operator("NON_MAX_SUPPRESSION_V5", [boxes, scores, *constants], kept)
    with pytest.raises(ModelError, match=r"score threshold of -1\.0, expected 0 or more"):
        convert(model.finish([boxes, scores], kept), name="soft")
