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
    newest = a["input"].astype(np.float64)
    if "filter" in a:
        newest = newest @ a["filter"].astype(np.float64).T
    sums = _weighed(a, newest).reshape(f["batch"], f["units"], f["rank"]).sum(2) + a.get("bias", 0.0)
    return np.clip(sums, f["act_min"], f["act_max"])


def _weighed(a: dict[str, Array], newest: Array) -> Array:
    """Sum over the memories of each filter after the newest has come in."""
    memories = np.concatenate([a["state"][:, :, 1:].astype(newest.dtype), newest[:, :, None]], axis=2)
    weighed: Array = (memories * a["time"].astype(newest.dtype)).sum(2)
    return weighed


def _step(a: dict[str, Array], f: dict[str, Any], dtype: type) -> tuple[Array, Array]:
    """x of the step, and h or nothing."""
    flat = a["input"].reshape(-1)
    rows = [flat[f["input_at"] + b * f["input_stride"] :][: f["input_c"]] for b in range(f["batch"])]
    recurrent = a.get("recurrent", np.zeros((f["batch"], 0)))
    return np.stack(rows).astype(dtype), recurrent.astype(dtype)


def gates_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x, h = _step(a, f, np.float64)
    sums = x @ a["input_weights"].astype(np.float64).T + a.get("bias", 0.0)
    if f["recurrent_c"]:
        sums = sums + h @ a["recurrent_weights"].astype(np.float64).T
    return np.clip(sums, f["act_min"], f["act_max"])


def gates_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x, h = _step(a, f, np.int64)
    sums = wrap32(x @ a["input_weights"].astype(np.int64).T + a.get("bias", 0))
    y = saturate16(mbqm(sums, f["multiplier"], f["shift"]))
    if f["recurrent_c"]:
        again = wrap32(h @ a["recurrent_weights"].astype(np.int64).T + a.get("recurrent_bias", 0))
        y = saturate16(y + mbqm(again, f["recurrent_multiplier"], f["recurrent_shift"]))
    return y.astype(np.int16)


def project_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    x, _ = _step(a, f, np.int64)
    return finish_s8(x @ a["input_weights"].astype(np.int64).T + a.get("bias", 0), f)


def rnn_cell_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    return _activated(a["gates"].astype(np.float64), f["activation"])


def lstm_cell_f32(a: dict[str, Array], f: dict[str, Any]) -> Array:
    gates, cell = a["gates"].astype(np.float64).copy(), a["cell"].astype(np.float64)
    first = f["gate_count"] - 3
    if "peephole" in a:
        gates[:, : first + 1] += a["peephole"][: first + 1] * cell[:, None]
    before = _normal(gates[:, :-1], a, slice(0, -1))
    forget, update = _sigmoid(before[:, first]), _activated(before[:, first + 1], f["activation"])
    cell = forget * cell + (_sigmoid(before[:, 0]) if first else 1 - forget) * update
    if f["cell_clip"]:
        cell = np.clip(cell, -f["cell_clip"], f["cell_clip"])
    last = gates[:, -1:] + (a["peephole"][-1] * cell[:, None] if "peephole" in a else 0)
    return _sigmoid(_normal(last, a, slice(-1, None))[:, 0]) * _activated(cell, f["activation"])


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _activated(x: Array, activation: int) -> Array:
    limits = {1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}
    return np.asarray(np.tanh(x) if activation == 4 else np.clip(x, *limits.get(activation, (-np.inf, np.inf))))


def _normal(gates: Array, a: dict[str, Array], part: slice) -> Array:
    if "norm" not in a:
        return gates
    centred = gates - gates.mean(2, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(2, keepdims=True) + 1e-8)
    return np.asarray(scaled * a["norm"][part] + a["norm_bias"][part])


# gemmlowp's fixed point in 16 bits, for lstm_cell_s8 ------------------------------------------------------------


def saturate16(x: Array) -> Array:
    return np.clip(x, -(2**15), 2**15 - 1)


def lstm_cell_s8(a: dict[str, Array], f: dict[str, Any]) -> Array:
    gates, cell, first = a["gates"].astype(np.int64).copy(), a["cell"].astype(np.int64), f["gate_count"] - 3
    names = ("input", "forget", "output")[1 - first :]
    peeped = dict(zip(names, a["peephole"].astype(np.int64), strict=True)) if "peephole" in a else {}

    def peep(gate: Array, name: str) -> Array:
        if name not in peeped:
            return gate
        high = (peeped[name] * cell * f[f"{name}_multiplier"] + 2**30) >> 31
        right = -f[f"{name}_shift"]
        return saturate16(gate + ((high + ((1 << right) >> 1)) >> right))

    forget = logistic16(peep(gates[:, first], "forget"))
    entry = logistic16(peep(gates[:, 0], "input")) if first else 2**15 - 1 - forget
    update = tanh16(gates[:, first + 1], 3)
    cell = saturate16(_divide(forget * cell, 15) + _divide(entry * update, 30 + f["cell_shift"]))
    if f["cell_clip"]:
        cell = np.clip(cell, -f["cell_clip"], f["cell_clip"])
    out = logistic16(peep(gates[:, -1], "output")) * tanh16(cell, 15 + f["cell_shift"])
    scaled = mbqm(out, f["hidden_multiplier"], f["hidden_shift"]) + f["hidden_zero_point"]
    return np.clip(scaled, -128, 127).astype(np.int8)


def _divide(x: Array, exponent: int) -> Array:
    """RoundingDivideByPOT: half away from zero."""
    half = (1 << exponent) >> 1
    return np.where(x >= 0, (x + half) >> exponent, -((-x + half) >> exponent))


def _high_mul(a: Array | int, b: Array | int) -> Array:
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    nudged = product + np.where(product >= 0, 2**14, 1 - 2**14)
    return saturate16(np.where(nudged >= 0, nudged >> 15, -(-nudged >> 15)))


def _wrap(x: Array) -> Array:
    return np.asarray((x + 2**15) % 2**16 - 2**15)


def _exp_negative(a: Array, bits: int) -> Array:
    quarter = 1 << (13 - bits)
    rest = (a & (quarter - 1)) - quarter
    x = (rest << bits) + 2**12
    x2 = _high_mul(x, x)
    x3, x4 = _high_mul(x2, x), _high_mul(x2, x2)
    series = _divide(_wrap(_high_mul(_wrap(_divide(x4, 2) + x3), 10923) + x2), 1)
    y = saturate16(28918 + _high_mul(28918, _wrap(x + series)))
    for power in range(-2, min(bits, 5)):
        factor = round(float(np.exp(-(2.0**power))) * 2**15)
        y = np.where((rest - a) >> (15 - bits + power) & 1, _high_mul(y, factor), y)
    if bits > 5:
        y = np.where(a < -(1 << (20 - bits)), 0, y)
    return np.where(a == 0, 2**15 - 1, y)


def _newton(a: Array) -> Array:
    """1 / ((1 + a) / 2) in Q2.13."""
    half = (a + 2**15) >> 1
    x = 23130 + _high_mul(half, -15420)
    for _ in range(3):
        x = _wrap(x + saturate16(_high_mul(x, 2**13 - _high_mul(half, x)) << 2))
    return x


def logistic16(a: Array) -> Array:
    y = saturate16(_newton(_exp_negative(-np.abs(a), 3)) << 1)
    return np.where(a == 0, 2**14, np.where(a > 0, y, 2**15 - 1 - y))


def tanh16(a: Array, bits: int) -> Array:
    y = saturate16((_newton(_exp_negative(-np.abs(a), bits + 1)) - 2**13) << 2)
    return np.where(a == 0, 0, np.where(a > 0, y, -y))
