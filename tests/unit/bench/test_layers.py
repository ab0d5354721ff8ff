"""Layers: their shares and rates, from models that say how long everything took."""

from __future__ import annotations

from typing import Any

import pytest

from edge_sdk.bench.layers import BEST_OF, best_rates, time_layers
from edge_sdk.runtime.provider import native_status

NODES = (
    {"name": "first", "op": "conv2d", "kernel": "conv2d_s8", "macs": 3000, "descriptors": (1, 2)},
    {"name": "last", "op": "softmax", "kernel": "softmax_f32", "macs": 0, "descriptors": (3,)},
)


class FakeModel:
    """The first layer takes 1500 ns, in every fifth round a thousand times as long; the second 500 ns."""

    manifest: dict[str, Any] = {"nodes": NODES}  # noqa: RUF012 - as a session has it

    def __init__(self) -> None:
        self.rounds = 0

    def time_nodes(self) -> list[int]:
        self.rounds += 1
        return [1500 if self.rounds % 5 else 1_500_000, 500]


def test_a_layer_has_its_median_share_and_rate() -> None:
    model = FakeModel()
    clock = iter(range(1000))
    first, last = time_layers(model, 20.5, {"s8": 4.0}, wall_s=lambda: next(clock))
    assert model.rounds == 25  # five, then one a second
    assert (first.name, first.op, first.kernel, first.macs) == ("first", "conv2d", "conv2d_s8", 3000)
    assert (first.median_us, first.share, first.gmacs, first.of_best) == (1.5, 0.75, 2.0, 0.5)
    assert (last.median_us, last.share, last.gmacs, last.of_best) == (0.5, 0.25, None, None)


def test_at_least_some_rounds_are_made() -> None:
    model = FakeModel()
    time_layers(model, 0.0, {})
    assert model.rounds == 5


@pytest.mark.parametrize("engine", ["host", "sandbox"])
def test_the_best_rate_of_each_dtype_is_measured(engine: str) -> None:
    if native_status().reason:
        pytest.skip(f"no native library here: {native_status().reason}")
    rates = best_rates(engine, seconds=0.0)
    assert rates.keys() == BEST_OF.keys()
    assert all(0.01 < rate < 10_000 for rate in rates.values())
