"""transpose_conv: inputs image [N, h, w, C], weights [O, H, W, C], optional bias [O]; each pixel spreads over a window.

The same as a convolution of stride 1 with the filter turned round, over the image with gaps between its pixels:

    image  a b c  at stride 2, filter 3    ->    0 0 a 0 b 0 c 0 0    (0: the zero point)

so the arithmetic is that of conv2d (reference/transpose_conv.h, reference/integer_ops/transpose_conv.h).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.convolution import (
    ConvolutionAttributes,
    check_convolution,
    lower_convolution,
    lower_wide,
    require_images,
)
from edge_sdk.compiler.ops.movement import filled, scalar
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, per_tensor, require, tensor
from edge_sdk.compiler.ops.view import Move, View, copy_call
from edge_sdk.compiler.ops.window import Pair, height_width, require_steps


@dataclass(frozen=True)
class TransposeConvAttributes:
    """Pairs are (vertical, horizontal); padding is what is cut from the top and the left of the output."""

    stride: Pair
    padding: Pair = (0, 0)
    activation: str = "none"


class TransposeConv(Op):
    """A convolution backwards."""

    fuses_activation = True

    def check(self, node: Node) -> None:
        attributes: TransposeConvAttributes = node.attributes
        operands(node, 2, 3)
        image, weights = tensor(node, 0), tensor(node, 1)
        require_images(image, weights)
        require(len(node.output.shape) == 4, f"output of {len(node.output.shape)} dimensions, expected 4")
        require(weights.shape[3] == image.shape[3], f"{image.shape[3]} channels in, filter of {weights.shape[3]}")
        narrow = "int8" if image.dtype == "int16" else image.dtype
        require(narrow == weights.dtype, f"{image.dtype} activations with {weights.dtype} weights")
        require_steps(attributes.stride)
        for before, size in zip(attributes.padding, height_width(weights.shape), strict=True):
            require(0 <= before < size, f"padding {list(attributes.padding)} is not below the filter's size")
        check_convolution(_as_convolution(node), height_width(weights.shape), weights.shape[0], channel_axis=0)

    def lower(self, node: Node) -> list[KernelCall]:
        image, weights = tensor(node, 0), tensor(node, 1)
        convolution = _as_convolution(node)
        spread = tensor(convolution)
        zero = per_tensor(image).zero_point if image.dtype == "int8" else 0
        fill = filled(node, spread, scalar(f"{node.name} (gap)", spread, zero))
        turned = np.ascontiguousarray(contents(weights)[:, ::-1, ::-1])
        if image.dtype == "int16":
            calls = lower_wide(convolution, turned, axis=0)
        else:
            calls = lower_convolution(convolution, "conv2d", turned, height_width(weights.shape), axis=0)
        return [copy_call(node, fill), copy_call(node, _spreading(node, spread)), *calls]


def _as_convolution(node: Node) -> Node:
    """Return the convolution of stride 1 that does it, whose image is still to be made."""
    attributes: TransposeConvAttributes = node.attributes
    image, weights, output = tensor(node, 0), tensor(node, 1), node.output
    sizes = [out + taps - 1 for out, taps in zip(height_width(output.shape), height_width(weights.shape), strict=True)]
    shape = (image.shape[0], *sizes, image.shape[3])
    spread = Value(f"{node.name} (spread)", image.dtype, shape, image.quantization, unsigned=image.unsigned)
    plain = ConvolutionAttributes((1, 1), activation=attributes.activation)
    return Node(node.op, node.name, [spread, *node.inputs[1:]], node.outputs, plain, node.origin)


def _spreading(node: Node, spread: Value) -> Move:
    """Return the move of the image's pixels to their places; those that reach no output stay behind."""
    attributes: TransposeConvAttributes = node.attributes
    image, weights = tensor(node, 0), tensor(node, 1)
    source, target = View.dense(image.shape), View.dense(spread.shape)
    for axis, stride, cut in zip((1, 2), attributes.stride, attributes.padding, strict=True):
        first = weights.shape[axis] - 1 - cut
        count = min(image.shape[axis], (spread.shape[axis] - 1 - first) // stride + 1)
        source, target = source.cut(axis, 0, 1, count), target.cut(axis, first, stride, count)
    return Move(image, source, spread, target)
