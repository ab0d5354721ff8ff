"""What the kernels of detectors must compute, in numpy; see kernel_oracle. Each returns field -> array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Fields = dict[str, Any]


def decode_boxes_f32(a: dict[str, Array], f: Fields) -> dict[str, Array]:
    x, anchors = a["input"].astype(np.float64), a["anchors"].astype(np.float64)
    scales = np.array([f["y_scale"], f["x_scale"]]), np.array([f["h_scale"], f["w_scale"]])
    middle = x[:, :2] / scales[0] * anchors[:, 2:] + anchors[:, :2]
    half = np.exp(x[:, 2:4] / scales[1]) * anchors[:, 2:] / 2
    return {"output": np.concatenate([middle - half, middle + half], axis=1)}


def overlaps(boxes: Array, one: int) -> Array:
    """Intersection over union of every box with one of them, in float32; 0 for empty boxes."""
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    areas = (high - low).prod(axis=1)
    sides = np.maximum(np.minimum(high, high[one]) - np.maximum(low, low[one]), np.float32(0))
    common = sides.prod(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = common / (areas[one] + areas - common)
    return np.where((areas <= 0) | (areas[one] <= 0), np.float32(0), parts)


def nms_f32(a: dict[str, Array], f: Fields) -> dict[str, Array]:
    shape = f["classes"], f["steps"]
    taken, scores = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    found, candidates = np.zeros((2, f["classes"]), np.uint32)
    for number in range(f["classes"]):
        live = a["scores"][:, f["column"] + number].copy()
        live[~(live >= f["score_least"])] = -np.inf
        candidates[number] = np.isfinite(live).sum()
        for step in range(min(f["steps"], int(candidates[number]))):
            best = int(live.argmax())
            if live[best] == -np.inf:
                break
            taken[number, step], scores[number, step], found[number] = best, live[best], step + 1
            common = overlaps(a["boxes"], best)
            if f["decay"] < 0:
                live = live * np.exp(np.float32(f["decay"]) * common * common)
            live[(common > f["overlap_most"]) | ~(live >= f["score_least"])] = -np.inf
            if f["drops_taken"]:
                live[best] = -np.inf
    return {"output": taken, "output_scores": scores, "found": found, "live": live, "candidates": candidates}


def class_max_f32(a: dict[str, Array], f: Fields) -> dict[str, Array]:
    return {"output": a["scores"][:, f["column"] : f["column"] + f["classes"]].max(axis=1)}


def _slots(count: int) -> dict[str, Array]:
    shapes = {"output": (count, 4), "output_classes": count, "output_scores": count, "output_count": 1}
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def best_classes_f32(a: dict[str, Array], f: Fields) -> dict[str, Array]:
    slots, found = _slots(f["slots"]), min(int(a["found"][0]), f["steps"])
    slots["output_count"][0] = found
    for row in range(found):
        box = int(a["selected"][row])
        scores = a["scores"][box, f["column"] : f["column"] + f["classes"]]
        for place, number in enumerate(np.argsort(-scores, kind="stable")[: f["per_box"]]):
            at = row * f["per_slot"] + place
            slots["output"][at], slots["output_classes"][at] = a["boxes"][box], number
            slots["output_scores"][at] = scores[number]
    return slots


def merge_classes_f32(a: dict[str, Array], f: Fields) -> dict[str, Array]:
    slots, heads = _slots(f["slots"]), np.zeros(f["classes"], np.uint32)
    entries = [(-a["scores"][c, i], c, a["selected"][c, i]) for c in range(f["classes"]) for i in range(a["found"][c])]
    entries = sorted(entries, key=lambda entry: entry[0])[: f["most"]]
    slots["output_count"][0] = len(entries)
    for slot, (score, number, box) in enumerate(entries):
        slots["output"][slot], slots["output_classes"][slot] = a["boxes"][box], number
        slots["output_scores"][slot] = -score
        heads[number] += 1
    return {**slots, "heads": heads}
