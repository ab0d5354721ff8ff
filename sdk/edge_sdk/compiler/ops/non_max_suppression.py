"""non_max_suppression: boxes [n, 4], scores [n] -> numbers of the boxes to keep [m], (their scores [m],) how many [].

Hard, or soft where `sigma` is above 0: overlapping boxes then lose score instead of being dropped. Entries beyond the
count are 0. Of boxes that score the same the first is better.
(tensorflow/lite/kernels/internal/reference/non_max_suppression.h)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import KernelCall, Op, operands, require, require_shape, tensor

MAX_BOXES = 1 << 17
MAX_OUTPUTS = 1 << 16


@dataclass(frozen=True)
class SuppressionAttributes:
    """Attributes of non_max_suppression.

    Attributes:
        overlap_threshold: boxes that overlap a better one as much or more are dropped; a part of their union.
        score_threshold: boxes must score more.
        sigma: 0: hard.
    """

    most_outputs: int
    overlap_threshold: float
    score_threshold: float
    sigma: float


class NonMaxSuppression(Op):
    """Keep the best of boxes that overlap."""

    def check(self, node: Node) -> None:
        attributes: SuppressionAttributes = node.attributes
        require(len(node.outputs) in (2, 3), f"has {len(node.outputs)} outputs, expected 2 or 3")
        operands(node, 2, outputs=len(node.outputs))
        boxes, scores = tensor(node), tensor(node, 1)
        for value in (boxes, scores):
            require(value.dtype == "float32", f"{value.dtype} tensors")
        require(len(boxes.shape) == 2 and boxes.shape[1] == 4, f"boxes of shape {boxes.shape}")
        require(scores.shape == boxes.shape[:1], f"scores of shape {scores.shape} for {boxes.shape[0]} boxes")
        require(boxes.shape[0] <= MAX_BOXES, f"{boxes.shape[0]} boxes, at most {MAX_BOXES}")
        most = attributes.most_outputs
        require(1 <= most <= MAX_OUTPUTS, f"largest output size {most}, expected 1 to {MAX_OUTPUTS}")
        require(0 <= attributes.overlap_threshold <= 1, f"overlap threshold {attributes.overlap_threshold}")
        require(attributes.score_threshold < math.inf, f"score threshold {attributes.score_threshold}")
        require(0 <= attributes.sigma < math.inf, f"sigma {attributes.sigma}")
        require(math.isfinite(_decay(attributes.sigma)), f"sigma {attributes.sigma}")
        # Its kernel lowers scores at once; the reference does it when a box is looked at, which is another order where
        # a negative score comes closer to 0.
        soft_ok = attributes.sigma == 0 or attributes.score_threshold >= 0
        require(soft_ok, f"soft suppression with a score threshold of {attributes.score_threshold}, expected 0 or more")
        dtypes = ("int32", "float32", "int32") if len(node.outputs) == 3 else ("int32", "int32")
        for output, dtype in zip(node.outputs, dtypes, strict=True):
            require(output.dtype == dtype, f"output {output.name!r} is {output.dtype}, expected {dtype}")
            require_shape(output, () if output is node.outputs[-1] else (most,))

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: SuppressionAttributes = node.attributes
        boxes, scores = tensor(node), tensor(node, 1)
        count, most = boxes.shape[0], attributes.most_outputs
        kept_scores = node.outputs[1] if len(node.outputs) == 3 else Value(f"{node.name} kept", "float32", (most,))
        writes = {
            "output": node.outputs[0],
            "output_scores": kept_scores,
            "found": node.outputs[-1],
            "live": Value(f"{node.name} live", "float32", (count,)),
            "candidates": Value(f"{node.name} candidates", "int32", (1,)),
        }
        # The kernel drops what overlaps more than its limit and keeps what scores its least: the next numbers.
        numbers: dict[str, int | float] = {
            "count": count,
            "columns": 1,
            "column": 0,
            "classes": 1,
            "steps": most,
            "overlap_most": _next(attributes.overlap_threshold, -math.inf),
            "score_least": _next(attributes.score_threshold, math.inf),
            "decay": _decay(attributes.sigma),
            "drops_taken": 0,
        }
        return [KernelCall(node.name, node.op, "nms_f32", numbers, {"boxes": boxes, "scores": scores}, writes)]


def _next(value: float, direction: float) -> float:
    """Return the float32 beside `value`."""
    return float(np.nextafter(np.float32(value), np.float32(direction)))


def _decay(sigma: float) -> float:
    """Return the factor of the squared overlap in the exponent, as a float32."""
    with np.errstate(over="ignore"):
        return float(np.float32(-0.5) / np.float32(sigma)) if sigma > 0 else 0.0
