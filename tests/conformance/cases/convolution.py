"""Sums of products: convolutions and dense layers."""

from __future__ import annotations

from typing import Any

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import Added, Case, Row
from tests.conformance.cases.pooling import window_outputs
from tests.unit.compiler import tflite_writer as tflite


def _convolution(case: Case, *, depthwise: bool, groups: int = 1) -> Added:
    kernel = case.size(1, 4), case.size(1, 4)
    dilation = case.choice(((1, 1), (1, 1), (2, 1)))
    stride = (1, 1) if dilation != (1, 1) else (case.size(1, 3), case.size(1, 2))
    extent = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    image = case.size(extent[0], 11), case.size(extent[1], 9)
    padding = case.size(0, 1)
    depth = case.choice((1, 3, 8, 16, 19))
    channels = depth * case.size(1, 3) if depthwise else case.choice((1, 7, 16, 33)) * groups
    x = case.input("x", (case.size(1, 2), *image, depth * groups), **case.steps())
    sizes = [window_outputs(*of) for of in zip(image, extent, stride, (padding, padding), strict=True)]
    y = case.tensor("y", (case.shape(x)[0], *sizes, channels), **case.steps(scale=_output_scale(case)))
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    options["activation"] = case.activation()
    if depthwise:
        dynamic = case.dtype == "float32"
        shape = (1, *kernel, channels)
        weights = case.weights(shape, channels, axis=3, zero_points_too=not dynamic, many_scales=dynamic)
        arguments = tflite.depthwise_options(**options, multiplier=channels // depth)
        return case.operator("DEPTHWISE_CONV_2D", [x, weights, case.bias(x, weights, channels)], [y], **arguments)
    weights = case.weights((channels, *kernel, depth), channels, axis=0)
    return case.operator(
        "CONV_2D", [x, weights, case.bias(x, weights, channels)], [y], **tflite.conv_options(**options)
    )


def _output_scale(case: Case) -> float | None:
    scale: float | None = case.choice((None, 0.5, 1.0))
    return scale / 256 if scale and case.dtype == "int16" else scale


def _conv2d(case: Case) -> Added:
    return _convolution(case, depthwise=False)


def _grouped(case: Case) -> Added:
    return _convolution(case, depthwise=False, groups=case.size(2, 4))


def _depthwise_conv2d(case: Case) -> Added:
    return _convolution(case, depthwise=True)


def _fully_connected(case: Case) -> Added:
    rows, k, n = case.size(1, 4), case.choice((1, 16, 100, 257)), case.choice((1, 10, 65))
    shape = (rows, k) if case.size(0, 1) else (rows, 1, k)
    x = case.input("x", shape, **case.steps())
    keep = case.size(0, 1) == 1
    y = case.tensor("y", (*shape[:-1], n) if keep else (rows, n), **case.steps(scale=_output_scale(case)))
    weights = case.weights((n, k), n, axis=0, zero_points_too=case.dtype == "int8")
    bias = case.bias(x, weights, n) if case.size(0, 2) else -1
    options = tflite.fully_connected_options(case.activation(), keep_num_dims=keep, asymmetric=bool(case.size(0, 1)))
    return case.operator("FULLY_CONNECTED", [x, weights, bias], [y], **options)


def _transpose_conv(case: Case) -> Added:
    kernel = case.size(1, 4), case.size(1, 4)
    stride = case.size(1, 3), case.size(1, 3)
    image = case.size(1, 6), case.size(1, 5)
    same = case.size(0, 1) == 0
    grown = [(size - 1) * step + taps for size, step, taps in zip(image, stride, kernel, strict=True)]
    sizes = [size * step for size, step in zip(image, stride, strict=True)] if same else grown
    depth, channels = case.choice((1, 3, 8, 19)), case.choice((1, 7, 16, 33))
    x = case.input("x", (case.size(1, 2), *image, depth), **case.steps())
    y = case.tensor("y", (case.shape(x)[0], *sizes, channels), **case.steps(scale=_output_scale(case)))
    shape = case.integers("shape", case.shape(y))
    weights = case.weights((channels, *kernel, depth), channels, axis=0)
    inputs = [shape, weights, x]
    version = 1
    if case.size(0, 1):
        inputs.append(case.bias(x, weights, channels))
        version = 3
    options = tflite.options(
        schema.TransposeConvOptions,
        PADDING=("b", 0 if same else 1),
        STRIDE_H=("i", stride[0]),
        STRIDE_W=("i", stride[1]),
        ACTIVATION=("b", tflite.ACTIVATION_NUMBERS[case.activation()]),
    )
    return case.operator("TRANSPOSE_CONV", inputs, [y], version=version, **options)


def _computed_weights(case: Case) -> Added:
    """A dense layer whose weights are an input."""
    rows, k, n = case.size(1, 4), case.choice((1, 16, 100)), case.choice((1, 10, 65))
    x, weights = case.input("x", (rows, k), **case.steps()), case.input("w", (n, k), **case.steps(scale=0.01))
    y = case.tensor("y", (rows, n), **case.steps(scale=_output_scale(case)))
    bias = case.bias(x, weights, n) if case.size(0, 1) else -1
    options = tflite.fully_connected_options(case.activation())
    return case.operator("FULLY_CONNECTED", [x, weights, bias], [y], **options)


def _batch_matmul(case: Case) -> Added:
    m, k, n = case.size(1, 7), case.choice((1, 3, 16, 40)), case.choice((1, 5, 33, 70))
    batch = case.choice(((), (3,), (2, 3)))
    other = case.choice((batch, batch[1:], (1,) * len(batch), (*batch[:-1], 1) if batch else ()))
    if case.weights_dtype == "int8" and case.dtype == "float32":
        return _hybrid_batch_matmul(case, (*batch, m, k), n)
    adjoint = {"ADJ_X": ("?", bool(case.size(0, 1))), "ADJ_Y": ("?", bool(case.size(0, 1)))}
    of_x = (k, m) if adjoint["ADJ_X"][1] else (m, k)
    of_y = (n, k) if adjoint["ADJ_Y"][1] else (k, n)
    first, second = (batch, other) if case.size(0, 1) else (other, batch)
    x = case.input("x", (*first, *of_x), **case.steps())
    if case.size(0, 2):
        y = case.input("y", (*second, *of_y), **case.steps())
    else:
        y = case.constant("y", case.contents((*second, *of_y)), **case.steps())
    out = case.tensor("out", (*batch, m, n), **case.steps(scale=_output_scale(case)))
    return case.operator("BATCH_MATMUL", [x, y], [out], **tflite.options(schema.BatchMatMulOptions, **adjoint))


def _hybrid_batch_matmul(case: Case, shape: tuple[int, ...], n: int) -> Added:
    """One matrix of weights meets all of x; it may be stored turned."""
    turned, k = bool(case.size(0, 1)), shape[-1]
    ones = (1,) * case.size(0, len(shape) - 2)
    data = case.int8s((*ones, n, k) if turned else (*ones, k, n))
    x, y = case.input("x", shape), case.constant("y", data, scales=[case.scale(0.002, 0.02)])
    out = case.tensor("out", (*shape[:-1], n))
    options = {"ADJ_Y": ("?", turned), "ASYMMETRIC": ("?", bool(case.size(0, 1)))}
    return case.operator("BATCH_MATMUL", [x, y], [out], **tflite.options(schema.BatchMatMulOptions, **options))


#: float32+int8: the input is rounded to 8 bits by its own range ("dynamic range").
DTYPES = ("int8", "uint8", "int16", "float32", "float32+float16", "float32+int8")

CASES = {
    "batch_matmul": Row(_batch_matmul, ("int8", "int16", "float32", "float32+int8"), is_sum=True),
    "conv2d": Row(_conv2d, DTYPES, is_sum=True),
    "conv2d grouped": Row(_grouped, ("int8", "uint8", "int16", "float32"), is_sum=True),
    "depthwise_conv2d": Row(_depthwise_conv2d, DTYPES, is_sum=True),
    "fully_connected": Row(_fully_connected, DTYPES, is_sum=True),
    "fully_connected computed": Row(_computed_weights, ("int8", "float32"), is_sum=True),
    "transpose_conv": Row(_transpose_conv, ("int8", "uint8", "int16", "float32"), is_sum=True),
}
