"""detection_postprocess: a detector's raw boxes and scores become a short list of detections.

    boxes [1, n, 4 or more], scores [1, n, classes or classes + 1 (background first)], anchors [n, 4], constant
    -> boxes [1, m, 4], classes [1, m], scores [1, m], count [1], all float32

Each box has one entry for its best class (`by_class` false), or each class suppresses by itself and the best of all are
kept. uint8 inputs become real numbers first. Slots beyond the count are 0; the reference leaves what was there before.
(tensorflow/lite/kernels/detection_postprocess.cc)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.elementwise import int8_steps
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, per_tensor, require, require_shape, tensor

#: Boxes of one detector, and entries of its output: what the kernels take.
MAX_BOXES = 1 << 17
MAX_SLOTS = 1 << 16


@dataclass(frozen=True)
class DetectionAttributes:
    """Attributes of detection_postprocess.

    Attributes:
        classes: without the background.
        by_class: suppress among the boxes of each class, not among all.
        classes_per_detection: entries of each box; only where `by_class` is false.
        detections_per_class: most boxes of one class; only where `by_class` is true.
        score_threshold: lower scores are no candidates.
        overlap_threshold: boxes that overlap more are dropped, as a part of their union.
        scales: divisors of y, x, h, w.
    """

    most_detections: int
    classes: int
    by_class: bool
    classes_per_detection: int
    detections_per_class: int
    score_threshold: float
    overlap_threshold: float
    scales: tuple[float, float, float, float]


def output_shapes(attributes: DetectionAttributes) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of boxes, classes, scores and count.

    Raises:
        ModelError: there are no slots, or too many.
    """
    most, each = attributes.most_detections, attributes.classes_per_detection
    require(most >= 1 and each >= 1, f"{most} detections of {each} classes each")
    require(most * each <= MAX_SLOTS, f"{most} detections of {each} classes each, at most {MAX_SLOTS} in all")
    return (1, most * each, 4), (1, most * each), (1, most * each), (1,)


class DetectionPostprocess(Op):
    """Decode, suppress, sort."""

    def check(self, node: Node) -> None:
        attributes: DetectionAttributes = node.attributes
        operands(node, 3, outputs=4)
        for output, shape in zip(node.outputs, output_shapes(attributes), strict=True):
            require(output.dtype == "float32", f"output {output.name!r} is {output.dtype}, expected float32")
            require_shape(output, shape)
        _check_attributes(attributes)
        _check_inputs(node)

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: DetectionAttributes = node.attributes
        calls: list[KernelCall] = []
        encoded, scores = (_real(node, index, calls) for index in (0, 1))
        count, columns = scores.shape[1:]
        anchors = _real_anchors(tensor(node, 2))
        boxes = Value(f"{node.name} boxes", "float32", (count, 4))
        numbers: dict[str, int | float] = {"count": count, "columns": encoded.shape[2]}
        numbers |= dict(zip(("y_scale", "x_scale", "h_scale", "w_scale"), attributes.scales, strict=True))
        calls.append(
            KernelCall(
                node.name, node.op, "decode_boxes_f32", numbers, {"input": encoded}, {"output": boxes},
                constants={"anchors": anchors},
            )
        )  # fmt: skip
        tail = _by_class if attributes.by_class else _by_box
        return calls + tail(node, boxes, scores, columns - attributes.classes)


def _check_attributes(attributes: DetectionAttributes) -> None:
    threshold, most = attributes.overlap_threshold, attributes.detections_per_class
    require(0 < threshold <= 1, f"overlap threshold {threshold}, expected above 0 and at most 1")
    require(math.isfinite(attributes.score_threshold), f"score threshold {attributes.score_threshold}")
    require(attributes.classes >= 1, f"{attributes.classes} classes")
    require(most >= 1 or not attributes.by_class, f"{most} detections per class")
    require(all(math.isfinite(scale) and scale != 0 for scale in attributes.scales), f"scales {attributes.scales}")


def _check_inputs(node: Node) -> None:
    attributes: DetectionAttributes = node.attributes
    boxes, scores, anchors = (tensor(node, index) for index in range(3))
    require(len(boxes.shape) == 3 and boxes.shape[0] == 1 and boxes.shape[2] >= 4, f"boxes of shape {boxes.shape}")
    count = boxes.shape[1]
    require(count <= MAX_BOXES, f"{count} boxes, at most {MAX_BOXES}")
    fits = scores.shape in [(1, count, attributes.classes + background) for background in (0, 1)]
    require(fits, f"scores of shape {scores.shape} for {count} boxes of {attributes.classes} classes")
    require(attributes.classes <= MAX_SLOTS, f"{attributes.classes} classes, at most {MAX_SLOTS}")
    for value in (boxes, scores):
        require(value.dtype == "float32" or value.unsigned, f"{value.dtype} tensors, expected uint8 or float32")
        if value.unsigned:
            per_tensor(value)
    require(anchors.is_constant, "anchors that are not constant")
    require(anchors.shape == (count, 4), f"anchors of shape {anchors.shape} for {count} boxes")
    require(anchors.dtype == boxes.dtype, f"{anchors.dtype} anchors for {boxes.dtype} boxes")
    sizes = _real_anchors(anchors)[:, 2:]
    require(bool((sizes >= 0).all()), "anchors whose height or width is negative")


def _real(node: Node, index: int, calls: list[KernelCall]) -> Value:
    """Return an input as float32; of a quantised one, append the call that makes it so."""
    value = tensor(node, index)
    if value.dtype == "float32":
        return value
    real = Value(f"{value.name} (real)", "float32", value.shape)
    steps = int8_steps(value)
    numbers: dict[str, int | float] = {
        "count": value.elements,
        "input_zero_point": steps.zero_point,
        "input_xor": steps.xor,
        "scale": steps.scale,
    }
    calls.append(KernelCall(node.name, node.op, "dequantize_s8_f32", numbers, {"input": value}, {"output": real}))
    return real


def _real_anchors(anchors: Value) -> NDArray[np.float32]:
    if anchors.dtype == "float32":
        return contents(anchors).astype(np.float32)
    q = per_tensor(anchors)
    steps = contents(anchors).astype(np.float32) - np.float32(q.zero_point)
    real: NDArray[np.float32] = steps * np.float32(q.scale)
    return real


@dataclass(frozen=True)
class _Taken:
    """What nms_f32 leaves: boxes taken of each class, their scores, how many."""

    call: KernelCall
    selected: Value
    scores: Value
    found: Value


def _suppress(node: Node, boxes: Value, scores: Value, classes: int, column: int, steps: int) -> _Taken:
    attributes: DetectionAttributes = node.attributes
    count, columns = scores.shape[-2:]
    live = Value(f"{node.name} live", "float32", (count,))
    selected = Value(f"{node.name} selected", "int32", (classes, steps))
    selected_scores = Value(f"{node.name} selected scores", "float32", (classes, steps))
    found, candidates = (Value(f"{node.name} {role}", "int32", (classes,)) for role in ("found", "candidates"))
    numbers: dict[str, int | float] = {
        "count": count,
        "columns": columns,
        "column": column,
        "classes": classes,
        "steps": steps,
        "overlap_most": attributes.overlap_threshold,
        "score_least": attributes.score_threshold,
        "decay": 0.0,
        "drops_taken": 1,
    }
    writes = {
        "output": selected,
        "output_scores": selected_scores,
        "found": found,
        "live": live,
        "candidates": candidates,
    }
    call = KernelCall(node.name, node.op, "nms_f32", numbers, {"boxes": boxes, "scores": scores}, writes)
    return _Taken(call, selected, selected_scores, found)


def _by_box(node: Node, boxes: Value, scores: Value, column: int) -> list[KernelCall]:
    attributes: DetectionAttributes = node.attributes
    count, columns = scores.shape[1:]
    best = Value(f"{node.name} best scores", "float32", (count, 1))
    numbers = {"count": count, "columns": columns, "column": column, "classes": attributes.classes}
    numbers |= {"per_box": 0, "per_slot": 0}
    maxima = KernelCall(node.name, node.op, "class_max_f32", {**numbers}, {"scores": scores}, {"output": best})
    taken = _suppress(node, boxes, best, 1, 0, attributes.most_detections)
    numbers |= {
        "steps": attributes.most_detections,
        "slots": attributes.most_detections * attributes.classes_per_detection,
        "per_slot": attributes.classes_per_detection,
        "per_box": min(attributes.classes_per_detection, attributes.classes),
    }
    reads = {"boxes": boxes, "scores": scores, "selected": taken.selected, "found": taken.found}
    last = KernelCall(node.name, node.op, "best_classes_f32", {**numbers}, reads, _outputs(node))
    return [maxima, taken.call, last]


def _by_class(node: Node, boxes: Value, scores: Value, column: int) -> list[KernelCall]:
    attributes: DetectionAttributes = node.attributes
    steps = min(attributes.detections_per_class, attributes.most_detections)
    taken = _suppress(node, boxes, scores, attributes.classes, column, steps)
    heads = Value(f"{node.name} heads", "int32", (attributes.classes,))
    numbers: dict[str, int | float] = {
        "count": scores.shape[1],
        "classes": attributes.classes,
        "steps": steps,
        "slots": attributes.most_detections * attributes.classes_per_detection,
        "most": attributes.most_detections,
        "per_box": 0,
        "per_slot": 0,
    }
    reads = {"boxes": boxes, "scores": taken.scores, "selected": taken.selected, "found": taken.found}
    writes = {**_outputs(node), "heads": heads}
    return [taken.call, KernelCall(node.name, node.op, "merge_classes_f32", numbers, reads, writes)]


def _outputs(node: Node) -> dict[str, Value]:
    names = ("output", "output_classes", "output_scores", "output_count")
    return dict(zip(names, node.outputs, strict=True))
