"""What products of int16, and of two computed matrices, must give, in numpy; see kernel_oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.contract.kernel_oracle import Array, finish_s8, round_away, wrap32


def reduced(sums: Array, multiplier: Array, shift: Array) -> Array:
    """TFLite's MultiplyByQuantizedMultiplier for int64."""
    factor = np.where(multiplier < 0x7FFF0000, (multiplier.astype(np.int64) + 2**15) >> 16, 0x7FFF)
    right = 15 - shift.astype(np.int64)
    return (sums * factor + (np.int64(1) << (right - 1))) >> right


def conv2d_s16(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x, w = a["input"].astype(np.int64), a["filter"].astype(np.int64)
    part, each = f["input_c"] // f["groups"], f["output_c"] // f["groups"]
    sums = np.zeros((f["batch"], f["output_h"], f["output_w"], f["output_c"]), np.int64) + a.get("bias", 0)
    for y in range(f["output_h"]):
        for column in range(f["output_w"]):
            for fy in range(f["filter_h"]):
                for fx in range(f["filter_w"]):
                    row = y * f["stride_h"] - f["pad_top"] + fy * f["dilation_h"]
                    at = column * f["stride_w"] - f["pad_left"] + fx * f["dilation_w"]
                    if not (0 <= row < f["input_h"] and 0 <= at < f["input_w"]):
                        continue
                    for group in range(f["groups"]):
                        own = slice(group * each, (group + 1) * each)
                        pixel = x[:, row, at, group * part : (group + 1) * part]
                        sums[:, y, column, own] += pixel @ w[own, fy, fx].T
    if "scale" in a:
        scaled = round_away(np.clip(sums.astype(np.float64) * a["scale"], -65536, 65536)).astype(np.int64)
    else:
        scaled = reduced(sums, a["multiplier"], a["shift"])
    return np.clip(scaled, f["act_min"], f["act_max"]).astype(np.int16)


def _sums(a: dict[str, Array], f: dict[str, Any], dtype: type) -> Array:
    x, y = a["x"].astype(dtype) - f.get("x_zero_point", 0), a["y"].astype(dtype) - f.get("y_zero_point", 0)
    sums: Array = x.reshape(-1, f["m"], f["k"]) @ y.reshape(-1, f["k"], f["n"]) + a.get("bias", dtype(0))
    return sums


def matmul_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    return np.clip(_sums(a, f, np.float64), f["act_min"], f["act_max"])


def matmul_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    sums = wrap32(_sums(a, f, np.int64))
    if "scale" not in a:
        return finish_s8(sums, f)
    scaled = round_away(np.clip(sums * a["scale"][0], -65536, 65536)).astype(np.int64) + f["output_zero_point"]
    return np.clip(scaled, f["act_min"], f["act_max"]).astype(np.int8)


def matmul_s16(a: dict[str, Array], f: dict[str, Any]) -> Array:
    scaled = reduced(_sums(a, f, np.int64), np.int64(f["multiplier"]), np.int64(f["shift"]))
    return np.clip(scaled, f["act_min"], f["act_max"]).astype(np.int16)


def top_k(a: dict[str, Array], f: dict[str, Any]) -> tuple[Array, Array]:
    """(indices, values)."""
    x = a["input"].astype(np.float64)
    order = np.argsort(-np.where(np.isnan(x), -np.inf, x), axis=1, kind="stable")[:, : f["k"]]
    return order.astype(np.int32), np.take_along_axis(a["input"], order, axis=1)
