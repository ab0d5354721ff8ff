"""Operators that remember: a sequence of calls shows whether they do."""

from __future__ import annotations

import numpy as np

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite

#: Calls of one sequence: more than most memories of the cases are long.
CALLS = 12


def normal(case: Case, role: str, shape: tuple[int, ...], spread: float = 1.0) -> int:
    """Add constant floats, or int8 steps for hybrid weights."""
    data = case.rng.normal(0, spread, shape)
    if case.weights_dtype == "int8":
        largest = float(np.abs(data).max())
        return case.constant(role, np.rint(data / largest * 127).astype(np.int8), scales=[largest / 127])
    return case.constant(role, data.astype(np.float32))


def _svdf(case: Case) -> Added:
    batch, depth, memory = case.size(1, 3), case.choice((1, 16, 40, 67)), case.choice((1, 2, 8, 10, 17))
    units, rank = case.size(1, 20), case.size(1, 3)
    filters = units * rank
    activation = "relu" if case.dtype == "int8" else case.activation()
    options = tflite.options(
        schema.SVDFOptions,
        RANK=("i", rank),
        ACTIVATION=("b", tflite.ACTIVATION_NUMBERS[activation]),
        ASYMMETRIC_QUANTIZE_INPUTS=("?", bool(case.size(0, 1))),
    )
    if case.dtype == "int8":
        inputs, y = _svdf_steps(case, batch, depth, memory, units, filters)
    else:
        x = case.input("x", (batch, depth))
        weights = [
            normal(case, "filter", (filters, depth), 0.3 / depth**0.5),
            normal(case, "time", (filters, memory), 1 / (memory * rank) ** 0.5),
        ]
        bias = case.constant("b", case.rng.normal(0, 1, units).astype(np.float32)) if case.size(0, 2) else -1
        inputs = [x, *weights, bias, case.variable("state", (batch, filters * memory))]
        y = case.tensor("y", (batch, units))
    return case.operator("SVDF", inputs, [y], **options)


def _svdf_steps(case: Case, batch: int, depth: int, memory: int, units: int, filters: int) -> tuple[list[int], int]:
    """Scales with which neither the memories nor the outputs are clamped more than now and then."""
    rng = case.rng
    x = case.input("x", (batch, depth), **case.steps())
    filter_scale, time_scale = case.scale(0.002, 0.02), case.scale(1e-4, 1e-2)
    product = float(case.scales(x)[0]) * filter_scale
    kept_scale = product * case.choice((0.25, 1.0, float(rng.uniform(0.1, 2))))
    sums = kept_scale * time_scale * case.choice((2.0**18, 2.0**20, float(rng.uniform(1e5, 2e6))))
    steps = case.steps(scale=sums)
    weights = [
        case.constant("filter", rng.integers(-127, 128, (filters, depth), np.int8), scales=[filter_scale]),
        case.constant("time", rng.integers(-1500, 1500, (filters, memory), np.int16), scales=[time_scale]),
    ]
    bias = -1
    if case.size(0, 2):
        bias = case.constant("b", rng.integers(-(10**6), 10**6, units, np.int32), scales=[kept_scale * time_scale])
    state = case.variable("state", (batch, filters * memory), "int16", scales=[kept_scale], zero_points=[0])
    return [x, *weights, bias, state], case.tensor("y", (batch, units), **steps)


CASES = {
    "svdf": Row(_svdf, ("int8", "float32"), calls=CALLS, is_sum=True),
}
