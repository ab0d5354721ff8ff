"""int16 activations by int8 weights ("16x8"): what convolutions and dense layers lower to, one kernel for all.

Sums are exact, in 64 bits. Convolutions requantise with a multiplier cut to 16 bits (common.h,
MultiplyByQuantizedMultiplier for int64), dense layers with a float64 product (integer_ops/fully_connected.h). Zero
points are 0. An int32 bias is refused: the reference kernels refuse it, or read it as something else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import quantized_range
from edge_sdk.compiler.ops.op import KernelCall, contents, per_tensor, require, tensor
from edge_sdk.compiler.ops.window import Padding, Pair

#: Greatest left shift of the kernel: a product by 16 bits must be shifted right at least once.
MAX_SHIFT = 14


def check_wide(*activations: Value, bias: Value | None) -> None:
    """Check what is special to int16 activations."""
    for value in activations:
        require(per_tensor(value).zero_point == 0, f"int16 tensor {value.name!r} with a zero point other than 0")
    require(bias is None or bias.dtype == "int64", "an int32 bias of int16 activations, expected int64")


def check_shifts(shifts: NDArray[np.int32]) -> None:
    """Check the shifts of an int16 output's multipliers."""
    require(bool((shifts <= MAX_SHIFT).all()), "steps of the output that are far finer than those of the products")


def wide_convolution(
    node: Node,
    weights: NDArray[Any],
    requantization: dict[str, NDArray[Any]],
    *,
    groups: int,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: Padding = (0, 0, 0, 0),
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
) -> list[KernelCall]:
    """Return the call.

    Args:
        weights: int8 [output channels, height, width, input channels / groups].
        requantization: the arrays `multiplier` and `shift`, or `scale`.
        shapes: of input and output as images, where the node's own are not 4-dimensional.
    """
    image, output = tensor(node, 0), node.output
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    of_image, of_output = shapes or (image.shape, output.shape)
    low, high = quantized_range(node.attributes.activation, per_tensor(output).scale, 0, "int16")
    numbers: dict[str, int | float] = {
        "batch": of_image[0],
        "input_h": of_image[1],
        "input_w": of_image[2],
        "input_c": of_image[3],
        "output_h": of_output[1],
        "output_w": of_output[2],
        "output_c": of_output[3],
        "filter_h": weights.shape[1],
        "filter_w": weights.shape[2],
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h": dilation[0],
        "dilation_w": dilation[1],
        "pad_top": padding[0],
        "pad_left": padding[1],
        "groups": groups,
        "act_min": low,
        "act_max": high,
    }
    constants = {"filter": np.ascontiguousarray(weights), **requantization}
    if bias is not None:
        constants["bias"] = contents(bias)
    return [
        KernelCall(
            node=node.name,
            op=node.op,
            kernel="conv2d_s16",
            numbers=numbers,
            reads={"input": image},
            writes={"output": output},
            constants=constants,
            macs=output.elements * (weights.size // weights.shape[0]),
        )
    ]
