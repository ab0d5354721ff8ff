"""Convolutions, pools and products with constant matrices."""

from __future__ import annotations

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import (
    Operator,
    Row,
    Translation,
    constant_integers,
    fused_activation,
)
from edge_sdk.compiler.ops.batch_matmul import BatchMatmulAttributes
from edge_sdk.compiler.ops.convolution import ConvolutionAttributes
from edge_sdk.compiler.ops.fully_connected import FullyConnectedAttributes
from edge_sdk.compiler.ops.op import require
from edge_sdk.compiler.ops.pool import PoolAttributes
from edge_sdk.compiler.ops.transpose_conv import TransposeConvAttributes
from edge_sdk.compiler.ops.window import Padding, Pair, height_width, require_steps, same_padding


def _padding(kind: int, image: Pair, size: Pair, stride: Pair, dilation: Pair) -> Padding:
    require_steps(stride, dilation)
    if kind == schema.PADDING_VALID:
        return 0, 0, 0, 0
    require(kind == schema.PADDING_SAME, f"padding {kind}")
    return same_padding(image, size, stride, dilation)


def _images(operator: Operator, inputs: int) -> tuple[Pair, Pair]:
    """Return height and width of the first input and, where there are two, of the filter."""
    shapes = [operator.input(index).shape for index in range(inputs)]
    require(all(len(shape) == 4 for shape in shapes), "tensors that are not 4-dimensional")
    return height_width(shapes[0]), height_width(shapes[-1])


def _convolution(op: str, options: type[schema.Conv2DOptions] | type[schema.DepthwiseConv2DOptions]) -> Row:
    def translate(operator: Operator) -> Translation:
        def field(slot: int, code: str = "i", default: int = 0) -> int:
            return int(operator.number(options.UNION, slot, code, default))

        image, size = _images(operator, 2)
        stride = field(options.STRIDE_H), field(options.STRIDE_W)
        dilation = field(options.DILATION_H, default=1), field(options.DILATION_W, default=1)
        padding = _padding(field(options.PADDING, "b"), image, size, stride, dilation)
        activation = fused_activation(operator, options.UNION, options.ACTIVATION)
        return op, operator.inputs, ConvolutionAttributes(stride, dilation, padding, activation)

    return translate


def _pool(op: str) -> Row:
    options = schema.Pool2DOptions

    def translate(operator: Operator) -> Translation:
        def field(slot: int, code: str = "i") -> int:
            return int(operator.number(options.UNION, slot, code, 0))

        image, _ = _images(operator, 1)
        size = field(options.FILTER_H), field(options.FILTER_W)
        stride = field(options.STRIDE_H), field(options.STRIDE_W)
        padding = _padding(field(options.PADDING, "b"), image, size, stride, (1, 1))
        return (
            op,
            operator.inputs,
            PoolAttributes(size, stride, padding, fused_activation(operator, options.UNION, options.ACTIVATION)),
        )

    return translate


def _fully_connected(operator: Operator) -> Translation:
    options = schema.FullyConnectedOptions
    layout: int = operator.number(options.UNION, options.WEIGHTS_FORMAT, "b", 0)
    require(layout == 0, "shuffled weights")
    activation = fused_activation(operator, options.UNION, options.ACTIVATION)
    asymmetric: bool = operator.number(options.UNION, options.ASYMMETRIC, "?", False)
    return "fully_connected", operator.inputs, FullyConnectedAttributes(activation, asymmetric)


def _transpose_conv(operator: Operator) -> Translation:
    """The stored output shape decides; a constant one among the inputs must agree, a computed one is taken on trust."""
    options = schema.TransposeConvOptions

    def field(slot: int, code: str = "i") -> int:
        return int(operator.number(options.UNION, slot, code, 0))

    wanted, weights, image, output = operator.input(0), operator.input(1), operator.input(2), operator.output()
    if wanted.is_constant:
        shape = constant_integers(wanted, "sizes")
        require(shape == output.shape, f"output of shape {list(shape)}, but it is {list(output.shape)}")
    require(len(output.shape) == len(weights.shape) == 4, "tensors that are not 4-dimensional")
    stride = field(options.STRIDE_H), field(options.STRIDE_W)
    size = height_width(weights.shape)
    top, left, _, _ = _padding(field(options.PADDING, "b"), height_width(output.shape), size, stride, (1, 1))
    activation = fused_activation(operator, options.UNION, options.ACTIVATION)
    inputs = [image, weights, *operator.inputs[3:]]
    return "transpose_conv", inputs, TransposeConvAttributes(stride, (top, left), activation)


def _batch_matmul(operator: Operator) -> Translation:
    options = schema.BatchMatMulOptions
    slots = options.ADJ_X, options.ADJ_Y, options.ASYMMETRIC
    flags = [bool(operator.number(options.UNION, slot, "?", False)) for slot in slots]
    return "batch_matmul", operator.inputs, BatchMatmulAttributes(*flags)


OPERATORS: dict[str, Row] = {
    "AVERAGE_POOL_2D": _pool("average_pool"),
    "BATCH_MATMUL": _batch_matmul,
    "CONV_2D": _convolution("conv2d", schema.Conv2DOptions),
    "DEPTHWISE_CONV_2D": _convolution("depthwise_conv2d", schema.DepthwiseConv2DOptions),
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool("max_pool"),
    "TRANSPOSE_CONV": _transpose_conv,
}
