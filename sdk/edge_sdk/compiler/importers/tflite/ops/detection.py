"""Operators that find objects: what stands behind a detector's network."""

from __future__ import annotations

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.flexbuffer import read_map
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation
from edge_sdk.compiler.ops.detection_postprocess import DetectionAttributes, output_shapes
from edge_sdk.compiler.ops.non_max_suppression import SuppressionAttributes
from edge_sdk.compiler.ops.op import require

#: What the reference takes for `detections_per_class` where the file says nothing.
DETECTIONS_PER_CLASS = 100


def _detection_postprocess(operator: Operator) -> Translation:
    """The file need not know the outputs' shapes: the reference gives them new ones."""
    options = read_map(operator.custom)

    def number(name: str, default: float = 0.0) -> float:
        value = options.get(name)
        require(not isinstance(value, str), f"option {name!r} is {value!r}, expected a number")
        return default if value is None or isinstance(value, str) else float(value)

    attributes = DetectionAttributes(
        most_detections=_whole(number("max_detections"), "max_detections"),
        classes_per_detection=_whole(number("max_classes_per_detection"), "max_classes_per_detection"),
        detections_per_class=_whole(number("detections_per_class", DETECTIONS_PER_CLASS), "detections_per_class"),
        classes=_whole(number("num_classes"), "num_classes"),
        by_class=bool(number("use_regular_nms")),
        score_threshold=number("nms_score_threshold"),
        overlap_threshold=number("nms_iou_threshold"),
        scales=(number("y_scale"), number("x_scale"), number("h_scale"), number("w_scale")),
    )
    require(len(operator.outputs) == 4, f"has {len(operator.outputs)} outputs, expected 4")
    for output, shape in zip(operator.outputs, output_shapes(attributes), strict=True):
        output.shape = shape
    return "detection_postprocess", operator.inputs, attributes


def _whole(number: float, name: str) -> int:
    require(number == number and abs(number) < 1 << 31, f"option {name!r} is {number}")
    return int(number)


def _non_max_suppression(operator: Operator) -> Translation:
    inputs = operator.inputs
    require(len(inputs) in (5, 6), f"has {len(inputs)} inputs, expected 5 or 6")
    sigma = _scalar(operator.input(5), "sigma") if len(inputs) == 6 else 0.0
    attributes = SuppressionAttributes(
        most_outputs=_whole(_scalar(operator.input(2), "largest output size"), "largest output size"),
        overlap_threshold=_scalar(operator.input(3), "overlap threshold"),
        score_threshold=_scalar(operator.input(4), "score threshold"),
        sigma=sigma,
    )
    return "non_max_suppression", inputs[:2], attributes


def _scalar(value: Value, what: str) -> float:
    require(value.data is not None, f"{what} that is not constant")
    require(value.elements == 1 and value.dtype in ("int32", "float32"), f"{what} is {value}")
    assert value.data is not None  # noqa: S101 - for the type checker
    return float(value.data.reshape(-1)[0])


OPERATORS: dict[str, Row] = {
    schema.custom_operator("TFLite_Detection_PostProcess"): _detection_postprocess,
    "NON_MAX_SUPPRESSION_V4": _non_max_suppression,
    "NON_MAX_SUPPRESSION_V5": _non_max_suppression,
}
