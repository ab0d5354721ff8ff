"""Which operators of TensorFlow Lite are read, and how each one's options become attributes.

A row: schema word -> function of the operator that returns (op, inputs, attributes). It raises ModelError, with the
reason alone, for what no op of ours can express.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.flatbuffer import Table
from edge_sdk.compiler.ops.add import AddAttributes
from edge_sdk.compiler.ops.convolution import ConvolutionAttributes
from edge_sdk.compiler.ops.fully_connected import FullyConnectedAttributes
from edge_sdk.compiler.ops.mean import MeanAttributes
from edge_sdk.compiler.ops.op import require
from edge_sdk.compiler.ops.pool import PoolAttributes
from edge_sdk.compiler.ops.softmax import SoftmaxAttributes
from edge_sdk.compiler.ops.window import Padding, Pair, height_width, require_steps, same_padding
from edge_sdk.errors import ModelError

MAX_RANK = 8


@dataclass(frozen=True)
class Operator:
    """One operator of the file, its tensors looked up.

    Attributes:
        options: None where the file has none; `options_type` says which table it is.
    """

    inputs: list[Value | None]
    outputs: list[Value]
    options: Table | None
    options_type: int

    def input(self, index: int) -> Value:
        """Return a required input."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None:
            raise ModelError(f"input {index} is missing")
        return value

    def output(self) -> Value:
        """Return the only output."""
        require(len(self.outputs) == 1, f"has {len(self.outputs)} outputs, expected 1")
        return self.outputs[0]

    def number(self, union: int, slot: int, code: str, default: Any) -> Any:
        """Return a field of the options; its default where there are none."""
        if self.options is None:
            return default
        require(self.options_type == union, f"options of kind {self.options_type}, expected {union}")
        return self.options.number(slot, code, default)


Translation = tuple[str, list[Value | None], Any]


def _activation(operator: Operator, union: int, slot: int) -> str:
    number: int = operator.number(union, slot, "b", 0)
    if number not in schema.ACTIVATIONS:
        raise ModelError(f"fused activation {number}")
    return schema.ACTIVATIONS[number]


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
        activation = _activation(operator, options.UNION, options.ACTIVATION)
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
            PoolAttributes(size, stride, padding, _activation(operator, options.UNION, options.ACTIVATION)),
        )

    return translate


def _fully_connected(operator: Operator) -> Translation:
    options = schema.FullyConnectedOptions
    layout: int = operator.number(options.UNION, options.WEIGHTS_FORMAT, "b", 0)
    require(layout == 0, "shuffled weights")
    activation = _activation(operator, options.UNION, options.ACTIVATION)
    return "fully_connected", operator.inputs, FullyConnectedAttributes(activation)


def _add(operator: Operator) -> Translation:
    activation = _activation(operator, schema.AddOptions.UNION, schema.AddOptions.ACTIVATION)
    return "add", operator.inputs, AddAttributes(activation)


def _softmax(operator: Operator) -> Translation:
    beta: float = operator.number(schema.SoftmaxOptions.UNION, schema.SoftmaxOptions.BETA, "f", 0.0)
    return "softmax", operator.inputs, SoftmaxAttributes(beta)


def _mean(operator: Operator) -> Translation:
    axes = _constant_integers(operator.input(1), "axes")
    keep: bool = operator.number(schema.ReducerOptions.UNION, schema.ReducerOptions.KEEP_DIMS, "?", False)
    return "mean", operator.inputs[:1], MeanAttributes(axes, keep)


def _quantize(operator: Operator) -> Translation:
    op = "quantize" if operator.input(0).dtype == "float32" else "requantize"
    return op, operator.inputs, None


def _reshape(operator: Operator) -> Translation:
    """The stored output shape decides; a constant target shape must agree, a computed one is taken on trust.

    Without its second input the operator no longer needs the SHAPE, STRIDED_SLICE and PACK that often compute it.
    """
    x, output = operator.input(0), operator.output()
    target = operator.inputs[1] if len(operator.inputs) > 1 else None
    if target is not None and target.is_constant:
        wanted = list(_constant_integers(target, "shape"))
        if wanted.count(-1) == 1:
            rest = -prod(wanted)
            require(rest > 0 and x.elements % rest == 0, f"reshape of {list(x.shape)} to {wanted}")
            wanted[wanted.index(-1)] = x.elements // rest
        require(wanted == list(output.shape), f"reshape to {wanted}, but its output is {list(output.shape)}")
    return "reshape", [x], None


def _same_bytes(operator: Operator) -> Translation:
    return "reshape", [operator.input(0)], None


def _plain(op: str) -> Row:
    def translate(operator: Operator) -> Translation:
        return op, operator.inputs, None

    return translate


def _constant_integers(value: Value, what: str) -> tuple[int, ...]:
    if value.data is None:
        raise ModelError(f"{what} that are not constant")
    require(value.dtype in ("int32", "int64"), f"{what} of {value.dtype}")
    require(value.elements <= MAX_RANK, f"{value.elements} {what}, at most {MAX_RANK}")
    return tuple(int(number) for number in value.data.ravel())


Row = Callable[[Operator], Translation]

OPERATORS: dict[str, Row] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool("average_pool"),
    "CONV_2D": _convolution("conv2d", schema.Conv2DOptions),
    "DEPTHWISE_CONV_2D": _convolution("depthwise_conv2d", schema.DepthwiseConv2DOptions),
    "DEQUANTIZE": _plain("dequantize"),
    "EXPAND_DIMS": _same_bytes,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool("max_pool"),
    "MEAN": _mean,
    "QUANTIZE": _quantize,
    "RELU": _plain("relu"),
    "RELU6": _plain("relu6"),
    "RELU_N1_TO_1": _plain("relu_n1_to_1"),
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "SQUEEZE": _same_bytes,
}
