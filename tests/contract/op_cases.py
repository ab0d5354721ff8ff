"""Random small uses of every op: each adds one operator, with tensors of its own, to a model under construction.

CASES has a row for each row of OPS; sizes and scales come from the caller's generator. A third of the scales are
powers of two, so that many sums fall exactly between two steps: there the rounding shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_sdk.compiler.importers.tflite import schema
from tests.unit.compiler import tflite_writer as tflite

ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")


@dataclass
class Case:
    """What a case function works with; `dtype` is the activations'."""

    model: tflite.TfliteWriter
    rng: np.random.Generator
    dtype: str
    name: str

    def size(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def choice(self, values: tuple[Any, ...]) -> Any:
        return values[self.size(0, len(values) - 1)]

    def scale(self, low: float = 0.01, high: float = 0.3) -> float:
        if self.size(0, 2) == 0:
            return 2.0 ** -self.size(2, 6)
        return float(self.rng.uniform(low, high))

    def steps(self, dtype: str | None = None, scale: float | None = None) -> dict[str, Any]:
        """Return random per-tensor quantisation, or nothing for float tensors."""
        if (dtype or self.dtype) == "float32":
            return {}
        zero_point = self.choice((-128, 0, 5, self.size(-128, 127)))
        shift = 128 if dtype == "uint8" else 0
        return {"scales": [scale or self.scale()], "zero_points": [zero_point + shift]}

    def tensor(self, role: str, shape: tuple[int, ...], dtype: str | None = None, **steps: Any) -> int:
        return self.model.tensor(f"{self.name} {role}", shape, dtype or self.dtype, **steps)

    def weights(self, shape: tuple[int, ...], channels: int, axis: int) -> int:
        if self.dtype == "float32":
            return self.model.constant(f"{self.name} w", self.rng.normal(0, 1, shape).astype(np.float32))
        scales = [self.scale(0.002, 0.02) for _ in range(channels if self.size(0, 1) else 1)]
        data = self.rng.integers(-127, 128, shape, np.int8)
        return self.model.constant(f"{self.name} w", data, scales=scales, axis=axis)

    def bias(self, x: int, weights: int, channels: int) -> int:
        if self.dtype == "float32":
            return self.model.constant(f"{self.name} b", self.rng.normal(0, 1, channels).astype(np.float32))
        data = self.rng.integers(-3000, 3000, channels, np.int32)
        return self.model.constant(f"{self.name} b", data, scales=self._scales(x)[0] * self._scales(weights))

    def _scales(self, tensor: int) -> np.ndarray:
        quantization = self.model.tensors[tensor].fields[schema.Tensor.QUANTIZATION]
        scales: np.ndarray = quantization.fields[schema.QuantizationParameters.SCALE]
        return scales


#: (inputs, outputs) of the model.
Added = tuple[list[int], list[int]]


def _outputs(pixels: int, size: int, stride: int, padding: int) -> int:
    return -(-pixels // stride) if padding == schema.PADDING_SAME else (pixels - size) // stride + 1


def _convolution(case: Case, *, depthwise: bool) -> Added:
    kernel = case.size(1, 4), case.size(1, 4)
    dilation = case.choice(((1, 1), (1, 1), (2, 1)))
    stride = (1, 1) if dilation != (1, 1) else (case.size(1, 3), case.size(1, 2))
    extent = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    image = case.size(extent[0], 11), case.size(extent[1], 9)
    padding = case.size(0, 1)
    depth = case.choice((1, 3, 8, 16, 19))
    channels = depth * case.size(1, 3) if depthwise else case.choice((1, 7, 16, 33))
    x = case.tensor("x", (case.size(1, 2), *image, depth), **case.steps())
    batch = int(case.model.tensors[x].fields[schema.Tensor.SHAPE][0])
    sizes = [_outputs(*of) for of in zip(image, extent, stride, (padding, padding), strict=True)]
    y = case.tensor("y", (batch, *sizes, channels), **case.steps(scale=case.choice((None, 0.5, 1.0))))
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    options["activation"] = case.choice(ACTIVATIONS)
    if depthwise:
        weights = case.weights((1, *kernel, channels), channels, axis=3)
        arguments = tflite.depthwise_options(**options, multiplier=channels // depth)
        case.model.operator("DEPTHWISE_CONV_2D", [x, weights, case.bias(x, weights, channels)], [y], **arguments)
    else:
        weights = case.weights((channels, *kernel, depth), channels, axis=0)
        case.model.operator(
            "CONV_2D", [x, weights, case.bias(x, weights, channels)], [y], **tflite.conv_options(**options)
        )
    return [x], [y]


def _conv2d(case: Case) -> Added:
    return _convolution(case, depthwise=False)


def _depthwise_conv2d(case: Case) -> Added:
    return _convolution(case, depthwise=True)


def _fully_connected(case: Case) -> Added:
    rows, k, n = case.size(1, 4), case.choice((1, 16, 100, 257)), case.choice((1, 10, 65))
    shape = (rows, k) if case.size(0, 1) else (rows, 1, k)
    x = case.tensor("x", shape, **case.steps())
    y = case.tensor("y", (rows, n), **case.steps(scale=case.choice((None, 0.5, 1.0))))
    weights = case.weights((n, k), n, axis=0)
    bias = case.bias(x, weights, n) if case.size(0, 2) else -1
    options = tflite.fully_connected_options(case.choice(ACTIVATIONS))
    case.model.operator("FULLY_CONNECTED", [x, weights, bias], [y], **options)
    return [x], [y]


def _add(case: Case) -> Added:
    shape = (case.size(1, 3), case.size(1, 6), case.size(1, 5), case.size(1, 20))
    shapes = [shape, case.choice((shape, shape, shape[-1:], (1, 1, 1, shape[-1]), (1,)))]
    if case.size(0, 1):
        shapes.reverse()
    inputs = [case.tensor(role, shape, **case.steps()) for role, shape in zip("ab", shapes, strict=True)]
    y = case.tensor("y", shape, **case.steps())
    case.model.operator("ADD", inputs, [y], **tflite.add_options(case.choice(ACTIVATIONS)))
    return inputs, [y]


def _pool(case: Case, operator: str) -> Added:
    image = case.size(1, 11), case.size(1, 9)
    size = case.size(1, image[0]), case.size(1, image[1])
    stride = case.size(1, 3), case.size(1, 3)
    padding, steps = case.size(0, 1), case.steps()
    batch, channels = case.size(1, 2), case.choice((1, 16, 37))
    sizes = [_outputs(*of) for of in zip(image, size, stride, (padding, padding), strict=True)]
    x = case.tensor("x", (batch, *image, channels), **steps)
    y = case.tensor("y", (batch, *sizes, channels), **steps)
    options = tflite.pool_options(size=size, stride=stride, padding=padding, activation=case.choice(ACTIVATIONS))
    case.model.operator(operator, [x], [y], **options)
    return [x], [y]


def _average_pool(case: Case) -> Added:
    return _pool(case, "AVERAGE_POOL_2D")


def _max_pool(case: Case) -> Added:
    return _pool(case, "MAX_POOL_2D")


def _mean(case: Case) -> Added:
    shape = tuple(case.size(1, 9) for _ in range(4))
    axes = case.choice(((1, 2), (2, 3), (-1,), (1,), (0, 1, 2)))
    gone = {axis % 4 for axis in axes}
    keep = bool(case.size(0, 1))
    kept = tuple(1 if axis in gone else size for axis, size in enumerate(shape))
    left = tuple(size for axis, size in enumerate(shape) if axis not in gone)
    x, y = case.tensor("x", shape, **case.steps()), case.tensor("y", kept if keep else left, **case.steps())
    constant = case.model.constant(f"{case.name} axes", np.array(axes, np.int32))
    case.model.operator("MEAN", [x, constant], [y], **tflite.mean_options(keep_dims=keep))
    return [x], [y]


def _softmax(case: Case) -> Added:
    shape = (case.size(1, 5), case.choice((1, 2, 10, 300)))
    x = case.tensor("x", shape, **case.steps())
    steps = {} if case.dtype == "float32" else {"scales": [1 / 256], "zero_points": [-128]}
    y = case.tensor("y", shape, **steps)
    case.model.operator("SOFTMAX", [x], [y], **tflite.softmax_options(case.choice((1.0, 0.5, 2.5))))
    return [x], [y]


def _same_shape(case: Case, operator: str, before: str, after: str) -> Added:
    shape = (case.size(1, 5), case.choice((1, 16, 301)))
    x, y = case.tensor("x", shape, before, **case.steps(before)), case.tensor("y", shape, after, **case.steps(after))
    case.model.operator(operator, [x], [y])
    return [x], [y]


def _quantize(case: Case) -> Added:
    return _same_shape(case, "QUANTIZE", "float32", case.choice(("int8", "uint8")))


def _dequantize(case: Case) -> Added:
    return _same_shape(case, "DEQUANTIZE", case.choice(("int8", "uint8")), "float32")


def _requantize(case: Case) -> Added:
    before, after = case.choice((("int8", "int8"), ("int8", "uint8"), ("uint8", "int8")))
    return _same_shape(case, "QUANTIZE", before, after)


def _relu(case: Case) -> Added:
    return _same_shape(case, "RELU", case.dtype, case.dtype)


def _relu6(case: Case) -> Added:
    return _same_shape(case, "RELU6", case.dtype, case.dtype)


def _relu_n1_to_1(case: Case) -> Added:
    return _same_shape(case, "RELU_N1_TO_1", case.dtype, case.dtype)


def _reshape(case: Case) -> Added:
    a, b = case.size(1, 9), case.size(1, 9)
    steps = case.steps()
    x, y = case.tensor("x", (a, b), **steps), case.tensor("y", (b, a, 1), **steps)
    shape = case.model.constant(f"{case.name} shape", np.array([b, -1, 1], np.int32))
    case.model.operator("RESHAPE", [x, shape], [y])
    return [x], [y]


@dataclass(frozen=True)
class Row:
    """How to make uses of an op, and of which dtypes the oracle has it."""

    make: Callable[[Case], Added]
    dtypes: tuple[str, ...] = ("int8", "float32")


CASES: dict[str, Row] = {
    "add": Row(_add),
    "average_pool": Row(_average_pool),
    "conv2d": Row(_conv2d),
    "depthwise_conv2d": Row(_depthwise_conv2d),
    "dequantize": Row(_dequantize, ("int8",)),
    "fully_connected": Row(_fully_connected),
    "max_pool": Row(_max_pool),
    "mean": Row(_mean),
    "quantize": Row(_quantize, ("int8",)),
    "relu": Row(_relu),
    "relu6": Row(_relu6),
    "relu_n1_to_1": Row(_relu_n1_to_1, ("float32",)),
    "requantize": Row(_requantize, ("int8",)),
    "reshape": Row(_reshape),
    "softmax": Row(_softmax),
}


def single_op_model(op: str, dtype: str, seed: int) -> bytes:
    """Return a model with one random use of an op."""
    model = tflite.TfliteWriter()
    inputs, outputs = CASES[op].make(Case(model, np.random.default_rng(seed), dtype, op))
    return model.finish(inputs, outputs)


def model_of_all_ops(dtype: str, seed: int, uses: int) -> bytes:
    """Return one model with `uses` random uses of every op that has the dtype, side by side."""
    model = tflite.TfliteWriter()
    rng = np.random.default_rng(seed)
    inputs: list[int] = []
    outputs: list[int] = []
    for op, row in CASES.items():
        for use in range(uses if dtype in row.dtypes else 0):
            more_inputs, more_outputs = row.make(Case(model, rng, dtype, f"{op} {use}"))
            inputs += more_inputs
            outputs += more_outputs
    return model.finish(inputs, outputs)
