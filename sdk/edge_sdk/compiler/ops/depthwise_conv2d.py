"""depthwise_conv2d: inputs image [N, H, W, C], weights [1, H, W, O], optional bias [O]; O a multiple of C.

Output channel o sees only input channel o / (O / C). With one input channel that is an ordinary convolution, and the
faster conv2d kernel does it. Else the fast kernel wants as many channels in as out: each is repeated before.
"""

from __future__ import annotations

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.convolution import check_convolution, lower_convolution, lower_wide, require_images
from edge_sdk.compiler.ops.dynamic_range import has_one_scale, is_dynamic_range
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, require, tensor
from edge_sdk.compiler.ops.view import Move, View, copy_call

#: Channels out from which on the kernels have a fast form.
LEAST_CHANNELS = 8


class DepthwiseConv2D(Op):
    """A convolution in which every output channel sees one input channel."""

    fuses_activation = True

    def check(self, node: Node) -> None:
        operands(node, 2, 3)
        image, weights = tensor(node, 0), tensor(node, 1)
        require_images(image, weights)
        one, height, width, channels = weights.shape
        require(one == 1, f"weights {list(weights.shape)}, expected 1 in front")
        require(
            channels % image.shape[3] == 0,
            f"{channels} channels out are no multiple of the {image.shape[3]} channels in",
        )
        check_convolution(node, (height, width), channels, channel_axis=3)
        if is_dynamic_range(image, weights):
            # The reference kernel refuses them too.
            require(channels == 1 or not has_one_scale(weights), "int8 weights of float activations with one scale")

    def lower(self, node: Node) -> list[KernelCall]:
        image, weights = tensor(node, 0), tensor(node, 1)
        _, height, width, _ = weights.shape
        if image.dtype == "int16":
            turned = np.transpose(contents(weights), (3, 1, 2, 0))
            return lower_wide(node, turned, axis=3, groups=image.shape[3])
        if image.shape[3] == 1:
            # [1, H, W, O] -> [O, H, W, 1]
            turned = np.transpose(contents(weights), (3, 1, 2, 0))
            return lower_convolution(node, "conv2d", turned, (height, width), axis=3)
        repeat, wide = _repeated(node)
        return repeat + lower_convolution(wide, "depthwise_conv2d", contents(weights)[0], (height, width), axis=3)


def _repeated(node: Node) -> tuple[list[KernelCall], Node]:
    """Return the node with as many input channels as output channels, where that is faster, and what makes them."""
    image, channels = tensor(node, 0), node.output.shape[3]
    times = channels // image.shape[3]
    if times == 1 or channels < LEAST_CHANNELS:
        return [], node
    wide = Value(
        f"{node.name} (repeated)",
        image.dtype,
        (*image.shape[:3], channels),
        image.quantization,
        unsigned=image.unsigned,
    )
    shape = (image.elements, times)
    copy = copy_call(node, Move(image, View(shape, (1, 0)), wide, View.dense(shape)))
    return [copy], Node(node.op, node.name, [wide, *node.inputs[1:]], node.outputs, node.attributes, node.origin)
