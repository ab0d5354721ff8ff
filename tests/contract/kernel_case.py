"""What a case of the kernel suite is, and what its numbers are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """One call of a kernel.

    Attributes:
        inputs: descriptor field -> array; `output` is the array the oracle expects.
        fields: the descriptor's numbers.
        tolerance: greatest error relative to the output's range; 0 = the same bits.
        in_place: the input that the output may replace.
        written: inputs that the kernel writes too: a state that it keeps.
        others: what else it writes: descriptor field -> array expected.
    """

    kernel: str
    label: str
    inputs: dict[str, Array]
    output: Array
    fields: dict[str, Any]
    tolerance: float = 0.0
    in_place: tuple[str, ...] = field(default=())
    written: tuple[str, ...] = ()
    others: dict[str, Array] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kernel} {self.label}"


def int8s(rng: Rng, *shape: int) -> Array:
    return rng.integers(-128, 128, shape).astype(np.int8)


def floats(rng: Rng, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def scales(rng: Rng, count: int, kind: str) -> dict[str, Array]:
    """Multipliers and shifts: of trained models, without shift, to the left, or the whole range of the ABI."""
    multiplier = rng.integers(2**30, 2**31, count)
    low, high = {"usual": (-11, -5), "none": (0, 1), "left": (0, 8), "any": (-31, 31)}[kind]
    if kind == "any":
        multiplier[::5] = rng.choice([0, 2**30, 2**31 - 1], len(multiplier[::5]))
    return {"multiplier": multiplier.astype(np.int32), "shift": rng.integers(low, high, count).astype(np.int32)}


def numbers_s8(rng: Rng) -> dict[str, int]:
    low, high = sorted(int(x) for x in rng.integers(-128, 128, 2)) if rng.random() < 0.3 else (-128, 127)
    zero_points = {f"{side}_zero_point": int(rng.choice([-128, -3, 0, 5, 127])) for side in ("input", "output")}
    return {**zero_points, "act_min": low, "act_max": high}


NUMBERS_F32 = {"act_min": -1.0, "act_max": float("inf")}
