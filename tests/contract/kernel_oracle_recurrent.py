"""What the kernels with memory must compute, in numpy; see kernel_oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.contract.kernel_oracle import Array, finish_s8, mbqm, wrap32


def svdf_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    products = (a["input"].astype(np.int64) - f["input_zero_point"]) @ a["filter"].astype(np.int64).T
    newest = np.clip(mbqm(wrap32(products), f["multiplier"], f["shift"]), -(2**15), 2**15 - 1)
    sums = _weighed(a, newest).reshape(f["batch"], f["units"], f["rank"]).sum(2) + a.get("bias", 0)
    return finish_s8(sums, {**f, "multiplier": f["output_multiplier"], "shift": f["output_shift"]})


def svdf_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    newest = a["input"].astype(np.float64) @ a["filter"].astype(np.float64).T
    sums = _weighed(a, newest).reshape(f["batch"], f["units"], f["rank"]).sum(2) + a.get("bias", 0.0)
    return np.clip(sums, f["act_min"], f["act_max"])


def _weighed(a: dict[str, Array], newest: Array) -> Array:
    """Sum over the memories of each filter after the newest has come in."""
    memories = np.concatenate([a["state"][:, :, 1:].astype(newest.dtype), newest[:, :, None]], axis=2)
    weighed: Array = (memories * a["time"].astype(newest.dtype)).sum(2)
    return weighed
