"""What the family `dynamic` must compute, in numpy; see kernel_oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.contract.kernel_oracle import Array, round_away

BLOCK = 4096


def dynamic_range_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    starts = range(0, f["count"], BLOCK)
    blocks = [a["input"][:, start : start + BLOCK] for start in starts]
    ends = [(np.minimum(block.min(1), 0), np.maximum(block.max(1), 0)) for block in blocks]
    return np.array(ends, np.float32).transpose(2, 0, 1)


def grid(ranges: Array, symmetric: int) -> tuple[np.float32, float, float]:
    """Return (scale, its inverse in float32, zero point) of one of the batch."""
    low, high = float(ranges[:, 0].min()), float(ranges[:, 1].max())
    if low == high:
        return np.float32(0), 0.0, 0.0
    if symmetric:
        reach = np.float32(max(-low, high))
        return reach / np.float32(127), float(np.float32(127) / reach), 0.0
    scale = (high - low) / 255
    ends = ((128 - low / scale, -128 - low / scale), (127 + high / scale, 127 - high / scale))
    _, zero_point = min(ends, key=lambda end: end[0])
    if ends[0][0] == ends[1][0]:
        zero_point = ends[1][1]
    stored = np.float32(scale)
    return stored, float(np.float32(1 / float(stored))), float(round_away(np.clip(zero_point, -128, 127)))


def dynamic_round_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    rows = []
    for x, ranges in zip(a["input"], a["ranges"], strict=True):
        _, inverse, zero_point = grid(ranges, f["symmetric"])
        steps = np.float32(zero_point) + x * np.float32(inverse)
        least = -127 if f["symmetric"] else -128
        rows.append(np.clip(round_away(steps.astype(np.float64)), least, 127))
    return np.array(rows, np.int8)


def dynamic_round_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    zero_points = [grid(ranges, f["symmetric"])[2] for ranges in a["ranges"]]
    return dynamic_round_s8(a, f).astype(np.float32) - np.array(zero_points, np.float32)[:, None]


def dynamic_scale_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    scales = np.array([grid(ranges, f["symmetric"])[0] for ranges in a["ranges"]], np.float64)
    y = a["input"].astype(np.float64) * scales[:, None, None] * a["factors"].astype(np.float64)
    return np.clip(y + a.get("bias", 0.0), f["act_min"], f["act_max"])


def hybrid_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    at = f["input_at"] + f["input_stride"] * np.arange(f["batch"])
    y = a.get("bias", 0.0) + _scaled(a["input"][at], a["ranges"][at], a["input_weights"], a["factors"], f)
    if f["recurrent_c"]:
        y = y + _scaled(a["recurrent"], a["recurrent_ranges"], a["recurrent_weights"], a["recurrent_factors"], f)
    return np.clip(y, f["act_min"], f["act_max"])


def _scaled(x: Array, ranges: Array, weights: Array, factors: Array, f: dict[str, Any]) -> Array:
    grids = [grid(one, f["symmetric"]) for one in ranges]
    scales, zero_points = (np.array([g[index] for g in grids], np.float64)[:, None] for index in (0, 2))
    return np.asarray((x - zero_points) @ weights.astype(np.float64).T * scales * factors.astype(np.float64))
