"""What the map and compare kernels must compute, in numpy; see kernel_oracle.py.

FLOATS, INTEGERS, BITS, STEPS and COMPARISONS: operation -> function of (a, b, fields), of operands that are already
repeated: float64, or int64 of any size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.contract.kernel_oracle import Array, mbqm, saturate32, wrap32

Fields = dict[str, Any]
Function = Callable[[Array, Array, Fields], Array]


def _erfc(x: Array) -> Array:
    return np.vectorize(math.erfc, otypes=[np.float64])(x)


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


FLOATS: dict[str, Function] = {
    "add": lambda x, y, f: x + y,
    "sub": lambda x, y, f: x - y,
    "mul": lambda x, y, f: x * y,
    "div": lambda x, y, f: x / y,
    "maximum": lambda x, y, f: np.maximum(x, y),
    "minimum": lambda x, y, f: np.minimum(x, y),
    "squared_difference": lambda x, y, f: (x - y) ** 2,
    "pow": lambda x, y, f: np.abs(x) ** y,
    "floor_div": lambda x, y, f: np.floor(x / y),
    "floor_mod": lambda x, y, f: np.mod(x, y),
    "atan2": lambda x, y, f: np.arctan2(x, y),
    "prelu": lambda x, y, f: np.where(x >= 0, x, x * y),
    "abs": lambda x, y, f: np.abs(x),
    "negative": lambda x, y, f: -x,
    "sign": lambda x, y, f: np.sign(x),
    "square": lambda x, y, f: x * x,
    "sqrt": lambda x, y, f: np.sqrt(np.abs(x)),
    "rsqrt": lambda x, y, f: 1 / np.sqrt(np.abs(x)),
    "exp": lambda x, y, f: np.exp(x),
    "log": lambda x, y, f: np.log(np.abs(x)),
    "sin": lambda x, y, f: np.sin(x),
    "cos": lambda x, y, f: np.cos(x),
    "tanh": lambda x, y, f: np.tanh(x),
    "logistic": lambda x, y, f: 1 / (1 + np.exp(-x)),
    "floor": lambda x, y, f: np.floor(x),
    "ceil": lambda x, y, f: np.ceil(x),
    "round": lambda x, y, f: np.rint(x),
    "elu": lambda x, y, f: np.where(x < 0, np.expm1(x), x),
    "gelu": lambda x, y, f: 0.5 * x * _erfc(-x / math.sqrt(2)),
    "gelu_tanh": lambda x, y, f: _gelu_tanh(x),
    "hard_swish": lambda x, y, f: x * np.clip(x + 3, 0, 6) / 6,
    "leaky_relu": lambda x, y, f: np.where(x > 0, x, x * float(np.float32(f["alpha"]))),
}
#: Of these the kernels are given magnitudes only.
POSITIVE = ("pow", "sqrt", "rsqrt", "log")


def _truncated(x: Array, y: Array) -> Array:
    quotient = np.abs(x) // np.maximum(np.abs(y), 1)
    return np.where(y == 0, 0, np.where((x < 0) != (y < 0), -quotient, quotient))


INTEGERS: dict[str, Function] = {
    "add": lambda x, y, f: x + y,
    "sub": lambda x, y, f: x - y,
    "mul": lambda x, y, f: x * y,
    "div": lambda x, y, f: _truncated(x, y),
    "maximum": lambda x, y, f: np.maximum(x, y),
    "minimum": lambda x, y, f: np.minimum(x, y),
    "squared_difference": lambda x, y, f: (x - y) ** 2,
    "pow": lambda x, y, f: x ** np.abs(y),
    "floor_div": lambda x, y, f: np.where(y == 0, 0, x // np.where(y == 0, 1, y)),
    "floor_mod": lambda x, y, f: np.where(y == 0, 0, x % np.where(y == 0, 1, y)),
    "abs": lambda x, y, f: np.abs(x),
    "negative": lambda x, y, f: -x,
    "sign": lambda x, y, f: np.sign(x),
}
#: What bytes and int16 have of them.
SMALL = ("add", "mul", "maximum", "minimum", "floor_div", "floor_mod")


def _held(y: Array, f: Fields) -> Array:
    return np.clip(y, 0, f["bits"] - 1)


BITS: dict[str, Function] = {
    "and": lambda x, y, f: x & y,
    "or": lambda x, y, f: x | y,
    "xor": lambda x, y, f: x ^ y,
    "shift_right": lambda x, y, f: x >> _held(y, f),
    "shift_right_unsigned": lambda x, y, f: (x % 2 ** f["bits"]) >> _held(y if f["bits"] == 32 else y % 256, f),
}


def _common(x: Array, f: Fields, name: str) -> Array:
    return mbqm(wrap32(x << f["left"]), f[f"{name}_multiplier"], f[f"{name}_shift"])


def _scaled(x: Array, f: Fields) -> Array:
    return mbqm(wrap32(x), f["multiplier"], f["shift"])


def _difference(x: Array, y: Array, f: Fields) -> Array:
    return wrap32(_common(x, f, "a") - _common(y, f, "b"))


def _rounding_shift(x: Array, right: int) -> Array:
    return np.sign(x) * ((np.abs(x) + ((1 << right) >> 1)) >> right)


def _shifted(x: Array, y: Array, f: Fields, sign: int) -> Array:
    total = _rounding_shift(x, -f["a_shift"]) + sign * _rounding_shift(y, -f["b_shift"])
    return np.clip(total, -32768, 32767)


STEPS: dict[str, Function] = {
    "steps_add": lambda x, y, f: _scaled(_common(x, f, "a") + _common(y, f, "b"), f),
    "steps_sub": lambda x, y, f: _scaled(_difference(x, y, f), f),
    "steps_mul": lambda x, y, f: _scaled(x * y, f),
    "steps_squared_difference": lambda x, y, f: _scaled(_difference(x, y, f) ** 2, f),
    "steps_prelu": lambda x, y, f: np.where(x >= 0, _common(x, {**f, "left": 0}, "a"), _scaled(x * y, f)),
}
SHIFTED: dict[str, Function] = {
    "steps_shifted_add": lambda x, y, f: _shifted(x, y, f, 1),
    "steps_shifted_sub": lambda x, y, f: _shifted(x, y, f, -1),
}

COMPARISONS: dict[str, Function] = {
    "equal": lambda x, y, f: x == y,
    "not_equal": lambda x, y, f: x != y,
    "less": lambda x, y, f: x < y,
    "less_equal": lambda x, y, f: x <= y,
    "greater": lambda x, y, f: x > y,
    "greater_equal": lambda x, y, f: x >= y,
}


def compare_steps(operation: str, x: Array, y: Array, f: Fields) -> Array:
    """Return a comparison of quantised elements, from which the zero points are taken already."""
    return COMPARISONS[operation](_common(x, f, "a"), _common(y, f, "b"), f)


def clamped(y: Array, dtype: str, f: Fields) -> Array:
    """Return integers as their type stores them, then clamped."""
    stored = y.astype(dtype).astype(np.int64) if dtype != "int64" else y.astype(np.int64)
    return np.clip(stored, f["act_min"], f["act_max"]).astype(dtype)


def clamped_steps(y: Array, dtype: str, f: Fields) -> Array:
    """Return quantised elements with their zero point, clamped."""
    return np.clip(saturate32(y) + f["output_zero_point"], f["act_min"], f["act_max"]).astype(dtype)
