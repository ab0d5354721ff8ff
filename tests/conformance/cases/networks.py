"""Small networks of many operators, as converters of training frameworks write them: what they need together.

encoder   a transformer's encoder block: look-up, attention of several heads, residual sums, layer normalisation
          written out, a feed-forward part with gelu
attention that of the encoder alone, which int8 can show exactly
gru       a recurrent layer as a loop with a counter, or unrolled: one step a turn, gathered from the input
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite


def _tensor(case: Case, role: str, shape: tuple[int, ...]) -> int:
    return case.tensor(f"{role} {len(case.model.tensors)}", shape, **case.steps())


def _dense(case: Case, x: int, n: int, activation: str = "none") -> int:
    """x by constant weights, its dimensions kept."""
    *rows, k = case.shape(x)
    role = f"w{len(case.model.tensors)}"
    weights = case.weights((n, k), n, axis=0, role=role)
    bias = case.bias(x, weights, n, role=f"{role} bias")
    y = _tensor(case, "dense", (*rows, n))
    options = tflite.fully_connected_options(activation, keep_num_dims=True)
    case.model.operator("FULLY_CONNECTED", [x, weights, bias], [y], **options)
    return y


def _moved(case: Case, x: int, shape: tuple[int, ...], order: tuple[int, ...]) -> int:
    """x under another shape, its dimensions in another order then."""
    steps = case.quantization(x)
    seen = case.tensor(f"seen {len(case.model.tensors)}", shape, **steps)
    case.model.operator("RESHAPE", [x, case.integers(f"shape {seen}", shape)], [seen])
    moved = case.tensor(f"moved {seen}", tuple(shape[axis] for axis in order), **steps)
    case.model.operator("TRANSPOSE", [seen, case.integers(f"order {seen}", order)], [moved])
    return moved


def _matmul(case: Case, x: int, y: int, shape: tuple[int, ...], *, turned: bool) -> int:
    out = _tensor(case, "matmul", shape)
    case.model.operator("BATCH_MATMUL", [x, y], [out], **tflite.options(schema.BatchMatMulOptions, ADJ_Y=("?", turned)))
    return out


def _attention(case: Case, x: int, heads: int) -> int:
    batch, time, width = case.shape(x)
    parts = [_moved(case, _dense(case, x, width), (batch, time, heads, width // heads), (0, 2, 1, 3)) for _ in range(3)]
    scores = _matmul(case, parts[0], parts[1], (batch, heads, time, time), turned=True)
    steps = {"scales": [1 / 256], "zero_points": [-128]} if case.dtype == "int8" else {}
    weights = case.tensor(f"soft {scores}", (batch, heads, time, time), **steps)
    case.model.operator("SOFTMAX", [scores], [weights], **tflite.softmax_options(1.0))
    mixed = _matmul(case, weights, parts[2], (batch, heads, time, width // heads), turned=False)
    joined = case.tensor(f"joined {mixed}", (batch, time, heads, width // heads), **case.quantization(mixed))
    case.model.operator("TRANSPOSE", [mixed, case.integers(f"back {mixed}", (0, 2, 1, 3))], [joined])
    flat = case.tensor(f"flat {mixed}", (batch, time, width), **case.quantization(mixed))
    case.model.operator("RESHAPE", [joined, case.integers(f"flat shape {mixed}", (batch, time, width))], [flat])
    return _dense(case, flat, width)


def _sum(case: Case, a: int, b: int) -> int:
    out = _tensor(case, "sum", case.shape(a))
    case.model.operator("ADD", [a, b], [out], **tflite.add_options())
    return out


def _normalised(case: Case, x: int) -> int:
    """Layer normalisation: mean, squared difference, mean, reciprocal root, scale and shift."""
    *rows, width = case.shape(x)
    narrow, wide = (*rows, 1), (*rows, width)

    def apply(operator: str, inputs: list[int], shape: tuple[int, ...], **options: Any) -> int:
        out = _tensor(case, operator.lower(), shape)
        case.model.operator(operator, inputs, [out], **options)
        return out

    number = len(case.model.tensors)
    last = case.integers(f"last {number}", [len(wide) - 1])
    mean = apply("MEAN", [x, last], narrow, **tflite.mean_options(keep_dims=True))
    variance = apply("MEAN", [apply("SQUARED_DIFFERENCE", [x, mean], wide), last], narrow,
                     **tflite.mean_options(keep_dims=True))  # fmt: skip
    safe = apply("ADD", [variance, case.constant(f"epsilon {number}", np.float32([1e-3]))], narrow,
                 **tflite.add_options())  # fmt: skip
    centred = apply("SUB", [x, mean], wide, **tflite.options(schema.SubOptions, ACTIVATION=("b", 0)))
    scaled = apply("MUL", [centred, apply("RSQRT", [safe], narrow)], wide, **_no_activation())
    gain = case.constant(f"gain {number}", case.rng.normal(1, 0.2, width).astype(np.float32))
    return apply("MUL", [scaled, gain], wide, **_no_activation())


def _no_activation() -> dict[str, Any]:
    return tflite.options(schema.MulOptions, ACTIVATION=("b", 0))


def _only_attention(case: Case) -> Added:
    heads = case.size(1, 3)
    x = case.input("x", (case.size(1, 2), case.size(1, 6), heads * case.size(1, 8)), **case.steps())
    y = _attention(case, x, heads)
    return [x], [y]


def _encoder(case: Case) -> Added:
    heads, batch, time, words = case.size(1, 3), case.size(1, 2), case.size(1, 6), case.size(2, 9)
    width = heads * case.size(1, 8)
    indices = case.input("words", (batch, time), "int32", low=0, high=words - 1)
    table = case.constant("embedding", case.rng.normal(0, 1, (words, width)).astype(np.float32))
    x = case.tensor("x", (batch, time, width))
    gather = tflite.options(schema.GatherOptions, AXIS=("i", 0), BATCH_DIMS=("i", 0))
    case.model.operator("GATHER", [table, indices], [x], **gather)
    x = _normalised(case, _sum(case, x, _attention(case, x, heads)))
    inner = _dense(case, x, 2 * width)
    curved = _tensor(case, "gelu", case.shape(inner))
    case.model.operator("GELU", [inner], [curved], **tflite.options(schema.GeluOptions, APPROXIMATE=("?", False)))
    return [indices], [_normalised(case, _sum(case, x, _dense(case, curved, width)))]


class _Gru:
    """The weights of one layer, and a step of it in any subgraph (reset_after, as Keras has it)."""

    def __init__(self, case: Case, depth: int, units: int) -> None:
        self.units, rng = units, case.rng
        self.kernel, self.recurrent = (
            (rng.normal(0, 0.5, (3 * units, k)).astype(np.float32), rng.normal(0, 0.5, 3 * units).astype(np.float32))
            for k in (depth, units)
        )

    def step(self, writer: tflite.TfliteWriter, x: int, h: int, rows: int, name: str) -> int:
        """Return the next h."""
        count = iter(range(100))

        def add(operator: str, inputs: list[int], width: int, **options: Any) -> int:
            out = writer.tensor(f"{name} {next(count)}", (rows, width), "float32")
            writer.operator(operator, inputs, [out], **options)
            return out

        def parts(value: int, weights: tuple[np.ndarray, np.ndarray]) -> list[int]:
            matrix, bias = (writer.constant(f"{name} {next(count)}", data) for data in weights)
            joined = add(
                "FULLY_CONNECTED", [value, matrix, bias], 3 * self.units, **tflite.fully_connected_options("none")
            )
            outputs = [writer.tensor(f"{name} {next(count)}", (rows, self.units), "float32") for _ in range(3)]
            axis = writer.constant(f"{name} {next(count)}", np.array(1, np.int32))
            writer.operator("SPLIT", [axis, joined], outputs, options={0: ("i", 3)}, union=35)
            return outputs

        multiply, sum_ = _no_activation(), tflite.add_options()
        of_x, of_h = parts(x, self.kernel), parts(h, self.recurrent)
        z, r = (add("LOGISTIC", [add("ADD", [of_x[k], of_h[k]], self.units, **sum_)], self.units) for k in range(2))
        reset = add("MUL", [r, of_h[2]], self.units, **multiply)
        new = add("TANH", [add("ADD", [of_x[2], reset], self.units, **sum_)], self.units)
        one = writer.constant(f"{name} {next(count)}", np.float32(1))
        rest = add("SUB", [one, z], self.units, **tflite.options(schema.SubOptions, ACTIVATION=("b", 0)))
        kept, fresh = (add("MUL", pair, self.units, **multiply) for pair in ([z, h], [rest, new]))
        return add("ADD", [kept, fresh], self.units, **sum_)


def _gru_loop(case: Case) -> Added:
    rows, time, depth, units = case.size(1, 3), case.size(1, 6), case.size(1, 7), case.size(1, 9)
    layer = _Gru(case, depth, units)
    x = case.input("x", (time, rows, depth))

    def carried(writer: tflite.TfliteWriter) -> list[int]:
        shapes = (((), "int32"), ((rows, units), "float32"), ((time, rows, depth), "float32"))
        return [writer.tensor(f"carried {k}", shape, dtype) for k, (shape, dtype) in enumerate(shapes)]

    condition, body = case.model.subgraph(), case.model.subgraph()
    numbers = len(case.model._children) - 1, len(case.model._children)
    i, h, sequence = carried(condition)
    less = condition.tensor("less", (), "bool")
    condition.operator("LESS", [i, condition.constant("n", np.array(time, np.int32))], [less])
    condition.end([i, h, sequence], [less])
    i, h, sequence = carried(body)
    now, counted = body.tensor("now", (rows, depth), "float32"), body.tensor("i + 1", (), "int32")
    gather = tflite.options(schema.GatherOptions, AXIS=("i", 0), BATCH_DIMS=("i", 0))
    body.operator("GATHER", [sequence, i], [now], **gather)
    following = layer.step(body, now, h, rows, "step")
    body.operator("ADD", [i, body.constant("one", np.array(1, np.int32))], [counted], **tflite.add_options())
    body.end([i, h, sequence], [counted, following, sequence])
    start = case.constant("0", np.array(0, np.int32))
    first = case.constant("h0", np.zeros((rows, units), np.float32))
    outputs = [case.tensor("n", (), "int32"), case.tensor("h", (rows, units)), case.tensor("same", (time, rows, depth))]
    options = {"COND_SUBGRAPH": ("i", numbers[0]), "BODY_SUBGRAPH": ("i", numbers[1])}
    case.model.operator("WHILE", [start, first, x], outputs, **tflite.options(schema.WhileOptions, **options))
    return [x], outputs[1:2]


def _gru_unrolled(case: Case) -> Added:
    rows, time, depth, units = case.size(1, 3), case.size(1, 5), case.size(1, 7), case.size(1, 9)
    layer = _Gru(case, depth, units)
    x = case.input("x", (time, rows, depth))
    steps = [case.tensor(f"x{t}", (rows, depth)) for t in range(time)]
    unpack = tflite.options(schema.UnpackOptions, NUM=("i", time), AXIS=("i", 0))
    case.model.operator("UNPACK", [x], steps, **unpack)
    h = case.constant("h0", np.zeros((rows, units), np.float32))
    for t, now in enumerate(steps):
        h = layer.step(case.model, now, h, rows, f"step {t}")
    return [x], [h]


CASES = {
    "add gru_loop": Row(_gru_loop, ("float32",)),
    "add gru_unrolled": Row(_gru_unrolled, ("float32",)),
    "fully_connected attention": Row(_only_attention, ("int8", "float32")),
    "mul encoder": Row(_encoder, ("float32",)),
}
