"""What conv2d and depthwise_conv2d share: attributes, checks and the fields of the descriptor.

int8: out = clamp(MBQM(sum((x - zero_point) * w) + bias, multiplier[c], shift[c]) + output zero point), with
multiplier and shift of  input scale * weight scale[c] / output scale  in float64; a zero point of the weights is
ignored (reference/integer_ops/conv.h, depthwise_conv.h).
uint8: the product of the scales is float32, and the weights have a zero point (reference/conv.h,
depthwiseconv_uint8.h).
int16: exact sums, see wide.py.
float32: out = clamp(sum(x * w) + bias). With int8 weights the input is rounded first, see dynamic_range.py: to
symmetric steps if a conv2d's weights have one scale, else to asymmetric ones (conv.cc, depthwise_conv.cc).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk import abi
from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.dynamic_range import (
    around_product,
    check_dynamic_weights,
    has_one_scale,
    is_dynamic_range,
)
from edge_sdk.compiler.ops.fixed_point import float_range, quantize_multipliers, quantized_range
from edge_sdk.compiler.ops.op import (
    KernelCall,
    contents,
    kernel_dtype,
    operands,
    per_tensor,
    require,
    require_shape,
    require_weights,
    tensor,
    weight_scales,
    weight_zero_point,
)
from edge_sdk.compiler.ops.wide import check_shifts, check_wide, wide_convolution
from edge_sdk.compiler.ops.window import Padding, Pair, height_width, output_size

#: Fewer pixels in one call read all weights for too little; fewer channels copy all pixels for too little.
FEWEST_PIXELS, FEWEST_CHANNELS = 12, 64


@dataclass(frozen=True)
class ConvolutionAttributes:
    """How the filter moves over the image; pairs are (vertical, horizontal)."""

    stride: Pair
    dilation: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    activation: str = "none"


def check_convolution(node: Node, filter_shape: Pair, channels: int, channel_axis: int) -> None:
    """Check everything but how input and filter channels go together."""
    attributes: ConvolutionAttributes = node.attributes
    _, _, bias = operands(node, 2, 3)
    image, weights = tensor(node, 0), tensor(node, 1)
    dtype = kernel_dtype(image, node.output, int16=True)
    dynamic = is_dynamic_range(image, weights)
    require_weights(weights, bias, channels, dtype, dynamic=dynamic)
    if dynamic:
        check_dynamic_weights(weights, channels, channel_axis)
    height, width = output_size(
        height_width(image.shape), filter_shape, attributes.stride, attributes.dilation, attributes.padding
    )
    require_shape(node.output, (image.shape[0], height, width, channels))
    if dtype == "s8":
        requantization(image, weights, node.output, channels, channel_axis)
        filter_zero_point(image, weights)
    if dtype == "s16":
        check_wide(image, node.output, bias=bias)
        check_shifts(requantization(image, weights, node.output, channels, channel_axis)[1])


def require_images(image: Value, weights: Value) -> None:
    """Both are 4-dimensional and not empty."""
    require(len(image.shape) == 4, f"input of {len(image.shape)} dimensions, expected 4 (NHWC)")
    require(len(weights.shape) == 4, f"weights of {len(weights.shape)} dimensions, expected 4")


def filter_zero_point(image: Value, weights: Value) -> int:
    """Return what is taken from every weight."""
    return weight_zero_point(weights) if image.unsigned else 0


def requantization(
    image: Value, weights: Value, output: Value, channels: int, channel_axis: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (multiplier, shift) of every output channel."""
    scales = per_tensor(image).scale * weight_scales(weights, channels, channel_axis)
    if image.unsigned:
        # kernel_util.cc, GetQuantizedConvolutionMultipler: this product is float32.
        scales = scales.astype(np.float32).astype(np.float64)
    return quantize_multipliers(scales / per_tensor(output).scale)


def lower_wide(node: Node, weights: NDArray[Any], axis: int, groups: int = 1) -> list[KernelCall]:
    """Return the call for int16 activations, given the weights as [output channels, height, width, channels]."""
    attributes: ConvolutionAttributes = node.attributes
    scales = requantization(tensor(node, 0), tensor(node, 1), node.output, weights.shape[0], axis)
    return wide_convolution(
        node,
        weights,
        dict(zip(("multiplier", "shift"), scales, strict=True)),
        groups=groups,
        stride=attributes.stride,
        dilation=attributes.dilation,
        padding=attributes.padding,
    )


def lower_convolution(
    node: Node, family: str, weights: NDArray[Any], filter_shape: Pair, axis: int
) -> list[KernelCall]:
    """Return the calls, given the weights in the kernel's layout; `axis`: the quantised dimension of the node's own."""
    attributes: ConvolutionAttributes = node.attributes
    image, output = tensor(node, 0), node.output
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    batch, height, width, channels = output.shape
    numbers: dict[str, int | float] = {
        "batch": batch,
        "input_h": image.shape[1],
        "input_w": image.shape[2],
        "input_c": image.shape[3],
        "output_h": height,
        "output_w": width,
        "output_c": channels,
        "filter_h": filter_shape[0],
        "filter_w": filter_shape[1],
        "stride_h": attributes.stride[0],
        "stride_w": attributes.stride[1],
        "dilation_h": attributes.dilation[0],
        "dilation_w": attributes.dilation[1],
        "pad_top": attributes.padding[0],
        "pad_left": attributes.padding[1],
    }
    if _is_column(numbers):
        _lay_down(numbers)
    constants: dict[str, NDArray[Any]] = {"filter": weights}
    if bias is not None:
        constants["bias"] = contents(bias)
    dtype = kernel_dtype(image, output)
    if dtype == "s8":
        quantization = per_tensor(output)
        multiplier, shift = requantization(image, tensor(node, 1), output, channels, axis)
        constants |= {"multiplier": multiplier, "shift": shift}
        low, high = quantized_range(attributes.activation, quantization.scale, quantization.zero_point)
        numbers |= {
            "input_zero_point": per_tensor(image).zero_point,
            "output_zero_point": quantization.zero_point,
            "filter_zero_point": filter_zero_point(image, tensor(node, 1)),
            "act_min": low,
            "act_max": high,
        }
    else:
        numbers["act_min"], numbers["act_max"] = float_range(attributes.activation)
    kernel = f"{family}_{dtype}"
    if family == "conv2d" and _is_better_by_columns(abi.KERNELS[kernel], numbers):
        numbers["by_columns"] = 1
    call = KernelCall(
        node=node.name,
        op=node.op,
        kernel=kernel,
        numbers=numbers,
        reads={"input": image},
        writes={"output": output},
        constants=constants,
        macs=output.elements * (weights.size // channels),
    )
    if is_dynamic_range(image, tensor(node, 1)):
        symmetric = node.op == "conv2d" and has_one_scale(tensor(node, 1))
        return around_product(node, call, tensor(node, 1), axis, batch=batch, symmetric=symmetric)
    return [call]


def _is_better_by_columns(kernel: abi.Kernel, numbers: dict[str, int | float]) -> bool:
    """Return whether a call may do only few pixels of all channels, but many channels of all pixels."""
    few = abi.MAX_WORK // abi.row_work(kernel, numbers) < min(FEWEST_PIXELS, abi.rows(kernel, numbers))
    return few and abi.MAX_WORK // abi.row_work(kernel, numbers | {"by_columns": 1}) >= FEWEST_CHANNELS


def _is_column(numbers: dict[str, int | float]) -> bool:
    """Return whether images are one pixel wide, as sequences in time are, and fit one kernel call laid down."""
    narrow = numbers["input_w"] == numbers["output_w"] == numbers["filter_w"] == 1 and numbers["pad_left"] == 0
    work = numbers["output_h"] * numbers["output_c"] * numbers["filter_h"] * 4
    return narrow and numbers["output_h"] > 1 and work <= abi.MAX_WORK


def _lay_down(numbers: dict[str, int | float]) -> None:
    """Exchange height and width: the bytes are the same, and kernels do a line of pixels at once."""
    for tall, wide in (*((f"{name}_h", f"{name}_w") for name in _EXTENTS), ("pad_top", "pad_left")):
        numbers[tall], numbers[wide] = numbers[wide], numbers[tall]


_EXTENTS = ("input", "output", "filter", "stride", "dilation")
