"""Cases of the kernels of detectors; see kernel_cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.contract import kernel_oracle_detection as oracle
from tests.contract.kernel_case import Array, Case, Rng, floats


def _case(kernel: str, label: str, inputs: dict[str, Array], fields: dict[str, Any], tolerance: float = 0.0) -> Case:
    outputs = getattr(oracle, kernel)(inputs, fields)
    return Case(kernel, label, inputs, outputs.pop("output"), fields, tolerance, others=outputs)


def boxes(rng: Rng, kernel: str) -> Iterator[Case]:
    for count, columns in ((1, 4), (7, 4), (8, 5), (33, 16)):
        a = {"input": floats(rng, count, columns) * np.float32(5), "anchors": rng.random((count, 4), np.float32)}
        f = {"count": count, "columns": columns, "y_scale": 10.0, "x_scale": 7.5, "h_scale": 5.0, "w_scale": -2.0}
        yield _case(kernel, f"{count}x{columns}", a, f, 1e-7)


def _corners(rng: Rng, count: int) -> Array:
    found = rng.random((count, 4), np.float32)
    found[::9] = found[0]  # the same box again
    found[3::11, 2] = found[3::11, 0]  # an empty one
    return found


def suppressions(rng: Rng, kernel: str) -> Iterator[Case]:
    for index, (count, classes) in enumerate(((1, 1), (7, 2), (8, 1), (9, 3), (60, 1), (60, 2))):
        for decay, drops in ((0.0, 1), (0.0, 0), (-1.0, 0)):
            # Equal scores among them, but where products of rounded exponentials decide.
            scores = rng.integers(-2, 9, (count, classes + 2)).astype(np.float32)
            if decay < 0:
                scores = rng.random(scores.shape, np.float32) * np.float32(9)
            scores[::5, 1] = np.nan
            a = {"boxes": _corners(rng, count), "scores": scores}
            f = {"count": count, "columns": classes + 2, "column": 1, "classes": classes, "steps": 5 + index}
            f |= {"overlap_most": (0.0, 0.3, 0.9)[index % 3], "score_least": 0.5, "decay": decay, "drops_taken": drops}
            yield _case(kernel, f"{count}x{classes} decay {decay} {drops}", a, f, 1e-6 if decay else 0.0)


def detections(rng: Rng, kernel: str) -> Iterator[Case]:
    for index, (count, classes) in enumerate(((1, 1), (7, 2), (8, 5), (40, 33))):
        column = index % 2
        scores = rng.permutation(count * (classes + 1)).astype(np.float32).reshape(count, classes + 1)
        f: dict[str, Any] = {"count": count, "columns": classes + 1, "column": column, "classes": classes}
        label = f"{count}x{classes}"
        if kernel == "class_max_f32":
            yield _case(kernel, label, {"scores": scores}, f)
            continue
        steps = min(count, 3 + index)
        f |= {"steps": steps}
        a: dict[str, Array] = {"boxes": _corners(rng, count), "scores": scores}
        if kernel == "best_classes_f32":
            a |= {
                "selected": rng.permutation(count)[:steps].astype(np.int32),
                "found": np.array([steps - 1], np.uint32),
            }
            per_box = min(1 + index, classes)
            f |= {"per_box": per_box, "per_slot": per_box + index, "slots": steps * (per_box + index)}
        else:
            f |= {"columns": 0, "column": 0, "slots": 5 + 3 * index, "most": 5 + index}
            falling = -np.sort(-rng.integers(0, 9, (classes, steps)), axis=1).astype(np.float32)
            a["scores"], a["selected"] = falling, rng.integers(0, count, (classes, steps)).astype(np.int32)
            a["found"] = rng.integers(0, steps + 1, classes).astype(np.uint32)
        yield _case(kernel, label, a, f)
