"""Operators that remember: a sequence of calls shows whether they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
        ASYMMETRIC=("?", bool(case.size(0, 1))),
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


def _sequence(case: Case, *, time_major: bool, width: int) -> tuple[int, ...]:
    """Return the shape of a sequence of vectors; a seed has one batch and one length."""
    batch, length = case.size(1, 3), case.size(1, 6)
    return (length, batch, width) if time_major else (batch, length, width)


def _batch(shape: tuple[int, ...], *, time_major: bool) -> int:
    return shape[-2] if time_major else shape[0]


@dataclass
class _Layer:
    """What a layer has, and how large it is: random, or like another layer of the same operator."""

    case: Case
    depth: int
    role: str = ""
    like: _Layer | None = None

    def __post_init__(self) -> None:
        case = self.case
        self.units = case.choice((1, 4, 7, 16, 21))
        self.coupled = case.size(0, 2) == 0
        self.peephole = case.size(0, 1) == 1
        self.normal = case.dtype == "float32" and case.size(0, 2) == 0
        self.projected = case.size(0, 2) == 0
        if case.dtype == "int8" and self.peephole:
            self.projected = False  # the reference steps through the peepholes by the number of results
        self.results = case.size(1, self.units) if self.projected else self.units
        if self.like is not None:
            self.units, self.results, self.projected = self.like.units, self.like.results, self.like.projected
            self.coupled, self.peephole = self.like.coupled, self.like.peephole

    def inputs(self) -> list[int]:
        """Add the 17 tensors from the weights of x to the projection's bias."""
        n, gates = self.units, ("input", "forget", "update", "output")
        found = [self._weights(f"w {gate}", (n, self.depth), gate) for gate in gates]
        found += [self._weights(f"r {gate}", (n, self.results), gate) for gate in gates]
        for gate in ("input", "forget", "output"):
            found.append(self._short(f"p {gate}", gate) if self.peephole else -1)
        found += [self._bias(f"b {gate}", n, gate) for gate in gates]
        if not self.projected:
            return [*found, -1, -1]
        bias = self._bias("pb", self.results, "") if self.case.size(0, 1) else -1
        return [*found, self._weights("p", (self.results, n), ""), bias]

    def norms(self) -> list[int]:
        if not self.normal:
            return []
        return [self._short(f"n {gate}", gate) for gate in ("input", "forget", "update", "output")]

    def _absent(self, gate: str) -> bool:
        return gate == "input" and self.coupled

    def _weights(self, role: str, shape: tuple[int, ...], gate: str) -> int:
        case = self.case
        if self._absent(gate):
            return -1
        if case.dtype == "int8":
            data = case.rng.integers(-127, 128, shape, np.int8)
            scale = case.choice((2.0**-9, 2.0**-10, float(case.rng.uniform(0.001, 0.01))))  # ties need factors below 1
            return case.constant(f"{self.role}{role}", data, scales=[scale])
        return normal(case, f"{self.role}{role}", shape, 1 / shape[1] ** 0.5)

    def _short(self, role: str, gate: str) -> int:
        case = self.case
        if self._absent(gate):
            return -1
        if case.dtype == "int8":
            # Small weights and powers of two make sums that fall between two steps.
            most, scale = case.choice(((200, 0.25), (200, 0.0625), (2**15 - 1, float(case.rng.uniform(1e-5, 1e-4)))))
            data = case.rng.integers(-most, most + 1, self.units).astype(np.int16)
            return case.constant(f"{self.role}{role}", data, scales=[scale])
        if role.startswith("p "):
            return normal(case, f"{self.role}{role}", (self.units,))
        return case.constant(f"{self.role}{role}", case.rng.normal(0, 1, self.units).astype(np.float32))

    def _bias(self, role: str, count: int, gate: str) -> int:
        case = self.case
        if self._absent(gate):
            return -1
        if case.dtype == "int8":
            return case.constant(f"{self.role}{role}", case.rng.integers(-3000, 3000, count, np.int32), scales=[0.001])
        return case.constant(f"{self.role}{role}", case.rng.normal(0, 1, count).astype(np.float32))

    def states(self, batch: int, steps: dict[str, Any]) -> list[int]:
        case = self.case
        cells = {"scales": [2.0 ** -case.size(9, 15)], "zero_points": [0]} if case.dtype == "int8" else {}
        return [
            case.variable(f"{self.role}results", (batch, self.results), case.dtype, **steps),
            case.variable(f"{self.role}cells", (batch, self.units), CELLS[case.dtype], **cells),
        ]


CELLS = {"int8": "int16", "float32": "float32"}
TANH = 4


def _lstm_options(case: Case, table: Any, **more: Any) -> dict[str, Any]:
    clips = {"CELL_CLIP": ("f", case.choice((0.0, 0.0, 0.5, 2.0))), "PROJ_CLIP": ("f", case.choice((0.0, 0.4)))}
    activation = TANH if case.dtype == "int8" else case.choice((TANH, TANH, TANH, 1, 2, 3))
    more["ASYMMETRIC"] = ("?", bool(case.size(0, 1)))
    return tflite.options(table, ACTIVATION=("b", activation), **clips, **more)


def _lstm(case: Case, operator: str, options: dict[str, Any], x_shape: tuple[int, ...], batch: int) -> Added:
    layer = _Layer(case, x_shape[-1])
    x = case.input("x", x_shape, **case.steps())
    steps = case.steps(scale=case.scale(0.004, 0.02))
    inputs = [x, *layer.inputs(), *layer.states(batch, steps), *layer.norms()]
    y = case.tensor("y", (*x_shape[:-1], layer.results), **steps)
    added = case.operator(operator, inputs, [y], **options)
    if case.dtype == "int8":
        hidden = case.steps(scale=case.scale(0.004, 0.02)) if layer.projected else steps
        between = [case.tensor(f"between {index}", (1,), "int16", scales=[2.0**-12]) for index in range(4)]
        between.append(case.tensor("hidden", (1,), **hidden))
        case.model.operators[-1].fields[schema.Operator.INTERMEDIATES] = np.array(between, "<i4")
    return added


def _sequence_lstm(case: Case) -> Added:
    time_major = bool(case.size(0, 1))
    options = _lstm_options(case, schema.UnidirectionalSequenceLSTMOptions, TIME_MAJOR=("?", time_major))
    shape = _sequence(case, time_major=time_major, width=case.choice((1, 5, 16, 33)))
    return _lstm(case, "UNIDIRECTIONAL_SEQUENCE_LSTM", options, shape, _batch(shape, time_major=time_major))


def _one_step_lstm(case: Case) -> Added:
    shape = case.size(1, 3), case.choice((1, 5, 16, 33))
    return _lstm(case, "LSTM", _lstm_options(case, schema.LSTMOptions), shape, shape[0])


def _bidirectional_lstm(case: Case) -> Added:
    time_major = bool(case.size(0, 1))
    shape = _sequence(case, time_major=time_major, width=case.choice((1, 5, 16, 33)))
    batch = _batch(shape, time_major=time_major)
    merge = bool(case.size(0, 1)) and (time_major or batch == 1)
    table = schema.BidirectionalSequenceLSTMOptions
    options = _lstm_options(case, table, TIME_MAJOR=("?", time_major), MERGE_OUTPUTS=("?", merge))
    first = _Layer(case, shape[-1], "fw ")
    layers = [first, _Layer(case, shape[-1], "bw ", like=first)]
    x = case.input("x", shape)
    weights = [index for layer in layers for index in layer.inputs()]
    states = [index for layer in layers for index in layer.states(batch, {})]
    sizes = [layer.results for layer in layers]
    outputs = [case.tensor(f"y{size}", (*shape[:-1], size)) for size in ([sum(sizes)] if merge else sizes)]
    return case.operator("BIDIRECTIONAL_SEQUENCE_LSTM", [x, *weights, *states, *[-1] * 9], outputs, **options)


def _rnn_layer(case: Case, depth: int, units: int, batch: int, role: str = "") -> list[int]:
    """Add weights, bias and state."""
    return [
        normal(case, f"{role}w", (units, depth), 1 / depth**0.5),
        normal(case, f"{role}r", (units, units), 0.5 / units**0.5),
        case.constant(f"{role}b", case.rng.normal(0, 1, units).astype(np.float32)),
        case.variable(f"{role}state", (batch, units)),
    ]


def _rnn(case: Case) -> Added:
    batch, depth, units = case.size(1, 3), case.choice((1, 5, 16, 33)), case.choice((1, 4, 21))
    x, y = case.input("x", (batch, depth)), case.tensor("y", (batch, units))
    options = tflite.options(
        schema.RNNOptions,
        ACTIVATION=("b", case.choice((0, 1, 3, TANH))),
        ASYMMETRIC=("?", bool(case.size(0, 1))),
    )
    return case.operator("RNN", [x, *_rnn_layer(case, depth, units, batch)], [y], **options)


def _sequence_rnn(case: Case) -> Added:
    time_major, units = bool(case.size(0, 1)), case.choice((1, 4, 21))
    shape = _sequence(case, time_major=time_major, width=case.choice((1, 5, 16, 33)))
    layer = _rnn_layer(case, shape[-1], units, _batch(shape, time_major=time_major))
    x, y = case.input("x", shape), case.tensor("y", (*shape[:-1], units))
    activation = case.choice((1, 3, TANH))
    options = tflite.options(
        schema.SequenceRNNOptions,
        TIME_MAJOR=("?", time_major),
        ACTIVATION=("b", activation),
        ASYMMETRIC=("?", bool(case.size(0, 1))),
    )
    return case.operator("UNIDIRECTIONAL_SEQUENCE_RNN", [x, *layer], [y], **options)


def _bidirectional_rnn(case: Case) -> Added:
    time_major, merge = bool(case.size(0, 1)), bool(case.size(0, 1))
    time_major = time_major and case.weights_dtype != "int8"  # refused
    shape = _sequence(case, time_major=time_major, width=case.choice((1, 5, 16, 33)))
    batch, sizes = _batch(shape, time_major=time_major), [case.choice((1, 4, 21)) for _ in range(2)]
    layers = [_rnn_layer(case, shape[-1], n, batch, role) for n, role in zip(sizes, ("fw ", "bw "), strict=True)]
    x = case.input("x", shape)
    outputs = [case.tensor(f"y{size}", (*shape[:-1], size)) for size in ([sum(sizes)] if merge else sizes)]
    options = tflite.options(
        schema.BidirectionalSequenceRNNOptions,
        TIME_MAJOR=("?", time_major),
        MERGE_OUTPUTS=("?", merge),
        ACTIVATION=("b", case.choice((1, 3, TANH))),
        ASYMMETRIC=("?", bool(case.size(0, 1))),
    )
    inputs = [x, *layers[0], *layers[1], -1, -1, -1]
    return case.operator("BIDIRECTIONAL_SEQUENCE_RNN", inputs, outputs, **options)


HYBRID = ("float32+int8",)
#: Of results that are rounded to 8-bit steps and come back: one that lies on the border of two steps falls to the other
#: side for the last bit of a tanh, and moves what follows by a step. `test_sample` counts how seldom.
STEP = 1 / 64
CASES = {
    "bidirectional_lstm": Row(_bidirectional_lstm, ("float32",), calls=3),
    "bidirectional_lstm hybrid": Row(_bidirectional_lstm, HYBRID, tolerance=STEP, calls=3),
    "bidirectional_rnn": Row(_bidirectional_rnn, ("float32",), calls=3),
    "bidirectional_rnn hybrid": Row(_bidirectional_rnn, HYBRID, tolerance=STEP, calls=3),
    "lstm": Row(_sequence_lstm, ("int8", "float32"), calls=3),
    "lstm hybrid": Row(_sequence_lstm, HYBRID, tolerance=STEP, calls=3),
    "lstm one_step": Row(_one_step_lstm, ("int8", "float32"), calls=CALLS),
    "lstm hybrid_step": Row(_one_step_lstm, HYBRID, tolerance=STEP, calls=CALLS),
    "rnn": Row(_sequence_rnn, ("float32",), calls=3),
    "rnn hybrid": Row(_sequence_rnn, HYBRID, tolerance=STEP, calls=3),
    "rnn one_step": Row(_rnn, ("float32",), calls=CALLS),
    "rnn hybrid_step": Row(_rnn, HYBRID, tolerance=STEP, calls=CALLS),
    "svdf": Row(_svdf, ("int8", "float32", *HYBRID), calls=CALLS, is_sum=True),
}
