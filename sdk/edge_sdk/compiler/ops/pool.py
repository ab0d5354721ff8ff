"""average_pool and max_pool: input [N, H, W, C]; cells outside the image do not count.

int8, uint8 and int16 work on the raw steps, so input and output must be quantised alike
(reference/integer_ops/pooling.h, reference/pooling.h).
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.fixed_point import float_range, quantized_range
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    kernel_dtype,
    operands,
    per_tensor,
    require,
    require_same_quantization,
    require_shape,
    tensor,
)
from edge_sdk.compiler.ops.window import Padding, Pair, height_width, output_size


@dataclass(frozen=True)
class PoolAttributes:
    """The window and how it moves; pairs are (vertical, horizontal)."""

    size: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)
    activation: str = "none"


class Pool(Op):
    """What both pools share; the op's name is the kernel's."""

    fuses_activation = True

    def check(self, node: Node) -> None:
        attributes: PoolAttributes = node.attributes
        operands(node, 1)
        image, output = tensor(node), node.output
        require(len(image.shape) == 4, f"input of {len(image.shape)} dimensions, expected 4 (NHWC)")
        require(all(1 <= size < 1 << 16 for size in attributes.size), f"window {list(attributes.size)}")
        height, width = output_size(
            height_width(image.shape), attributes.size, attributes.stride, (1, 1), attributes.padding
        )
        require_shape(output, (image.shape[0], height, width, image.shape[3]))
        if kernel_dtype(image, output, int16=True) != "f32":
            require_same_quantization(image, output)

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: PoolAttributes = node.attributes
        image, output = tensor(node), node.output
        dtype = kernel_dtype(image, output, int16=True)
        low: float
        high: float
        if dtype == "f32":
            low, high = float_range(attributes.activation)
        else:
            q = per_tensor(output)
            low, high = quantized_range(attributes.activation, q.scale, q.zero_point, output.dtype)
        kernel = f"{node.op}_{dtype}"
        if image.unsigned and node.op == "average_pool":
            kernel = "average_pool_u8"  # the sign of a sum decides how it is rounded
        batch, height, width, channels = output.shape
        numbers: dict[str, int | float] = {
            "batch": batch,
            "input_h": image.shape[1],
            "input_w": image.shape[2],
            "channels": channels,
            "output_h": height,
            "output_w": width,
            "filter_h": attributes.size[0],
            "filter_w": attributes.size[1],
            "stride_h": attributes.stride[0],
            "stride_w": attributes.stride[1],
            "pad_top": attributes.padding[0],
            "pad_left": attributes.padding[1],
            "act_min": low,
            "act_max": high,
        }
        return [KernelCall(node.name, node.op, kernel, numbers, {"input": image}, {"output": output})]
