"""What stands behind a detector's network."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.conformance.case import Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite

#: Most detections of a case; none is twice another, so that all slots tell how many a box has.
MOST = (1, 3, 10)


def _anchors(case: Case, count: int) -> int:
    """Add anchors with heights and widths of 0 or more."""
    if case.dtype == "float32":
        return case.constant("anchors", case.rng.uniform(0, 1, (count, 4)).astype(np.float32))
    zero_point = case.size(0, 200)
    data = case.rng.integers(0, 256, (count, 4))
    data[:, 2:] = np.maximum(data[:, 2:], zero_point)
    return case.constant("anchors", data.astype(np.uint8), scales=[case.scale(0.001, 0.01)], zero_points=[zero_point])


def _detection_postprocess(case: Case) -> Added:
    count, classes, background = case.choice((1, 7, 40, 300)), case.choice((1, 2, 10)), case.size(0, 1)
    most, by_class = case.choice(MOST), bool(case.size(0, 1))
    each = 1 if by_class else case.size(1, min(2, classes))
    options: dict[str, Any] = {
        "max_detections": most,
        "max_classes_per_detection": each,
        "detections_per_class": case.choice((1, 5, 100)),
        "num_classes": classes,
        "use_regular_nms": by_class,
        "nms_score_threshold": case.choice((1e-8, 0.5, 2.0)),
        "nms_iou_threshold": case.choice((0.1, 0.5, 1.0)),
        "y_scale": case.choice((10.0, 7.5)),
        "x_scale": 10.0,
        "h_scale": 5.0,
        "w_scale": 5.0,
    }
    boxes = case.input("boxes", (1, count, case.choice((4, 5))), **case.steps())
    # With another zero point the reference rounds the first scores of a tensor otherwise than the last.
    steps = {"scales": [case.scale()], "zero_points": [0]} if case.dtype == "uint8" else {}
    scores = case.input("scores", (1, count, classes + background), **steps)
    shapes = ((1, most * each, 4), (1, most * each), (1, most * each), (1,))
    outputs = [case.tensor(f"y{index}", shape, "float32") for index, shape in enumerate(shapes)]
    name, custom = "TFLite_Detection_PostProcess", tflite.flexbuffer(options)
    return case.operator(name, [boxes, scores, _anchors(case, count)], outputs, custom=custom)


def _suppression(case: Case, operator: str) -> Added:
    count, most = case.choice((1, 7, 60, 300)), case.choice((1, 5, 40))
    soft = operator == "NON_MAX_SUPPRESSION_V5"
    boxes, drawn = case.input("boxes", (count, 4)), case.input("drawn", (count,))
    # Of equal scores the reference takes whichever its heap has on top.
    ramp = case.constant("ramp", case.rng.permutation(count).astype(np.float32) / np.float32(64))
    scores = case.tensor("scores", (count,))
    case.model.operator("ADD", [drawn, ramp], [scores], **tflite.add_options())
    numbers = [case.constant("most", np.array(most, np.int32))]
    settings = (
        case.choice((0.0, 0.3, 1.0)),
        case.choice((0.0, 1.5) if soft else (-np.inf, 0.0, 1.5)),
        *([case.choice((0.0, 0.5))] if soft else []),
    )
    numbers += [case.constant(f"setting{i}", np.array(value, np.float32)) for i, value in enumerate(settings)]
    outputs = [case.tensor("kept", (most,), "int32")]
    outputs += [case.tensor("kept scores", (most,))] if soft else []
    outputs += [case.tensor("count", (), "int32")]
    _, added = case.operator(operator, [boxes, scores, *numbers], outputs)
    return [boxes, drawn], added


def _hard(case: Case) -> Added:
    return _suppression(case, "NON_MAX_SUPPRESSION_V4")


def _soft(case: Case) -> Added:
    return _suppression(case, "NON_MAX_SUPPRESSION_V5")


def _defined(outputs: list[np.ndarray]) -> list[np.ndarray]:
    """Zero the slots beyond the count: the reference leaves in them what was there before."""
    boxes, classes, scores, count = (output.copy() for output in outputs)
    each = 1 if scores.shape[1] in MOST else 2
    filled = int(count[0]) * each
    for array in (boxes, classes, scores):
        array[:, filled:] = 0
    return [boxes, classes, scores, count]


CASES = {
    "detection_postprocess": Row(_detection_postprocess, ("float32", "uint8"), defined=_defined),
    "non_max_suppression": Row(_hard, ("float32",)),
    "non_max_suppression soft": Row(_soft, ("float32",)),
}
