"""conv2d: inputs image [N, H, W, C], weights [O, H, W, C], optional bias [O]."""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.convolution import check_convolution, lower_convolution, require_images
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, require, tensor
from edge_sdk.compiler.ops.window import height_width


class Conv2D(Op):
    """A convolution in which every output channel sees every input channel."""

    fuses_activation = True

    def check(self, node: Node) -> None:
        operands(node, 2, 3)
        image, weights = tensor(node, 0), tensor(node, 1)
        require_images(image, weights)
        channels, height, width, depth = weights.shape
        require(depth == image.shape[3], f"grouped convolution ({image.shape[3]} channels in, filter of {depth})")
        check_convolution(node, (height, width), channels, channel_axis=0)
        if image.dtype == "int8" and not image.unsigned and weights.quantization is not None:
            # The reference kernel refuses them too; that of the depthwise convolution ignores them.
            zero = bool((weights.quantization.zero_points == 0).all())
            require(zero, "int8 weights with a zero point other than 0")

    def lower(self, node: Node) -> list[KernelCall]:
        weights = tensor(node, 1)
        return lower_convolution(node, "conv2d", contents(weights), height_width(weights.shape), axis=0)
