"""conv2d: inputs image [N, H, W, C], weights [O, H, W, C / groups], optional bias [O].

Groups: the channels of input and output fall into as many equal parts, each a convolution of its own; the kernel does
one after the other, on copies.
"""

from __future__ import annotations

from edge_sdk.compiler.graph import Node, Quantization, Value
from edge_sdk.compiler.ops.convolution import check_convolution, lower_convolution, lower_wide, require_images
from edge_sdk.compiler.ops.dynamic_range import is_dynamic_range
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, require, tensor
from edge_sdk.compiler.ops.view import Move, View, copy_call
from edge_sdk.compiler.ops.window import height_width

#: Each takes three kernel calls.
MAX_GROUPS = 1024


class Conv2D(Op):
    """A convolution in which every output channel sees every input channel of its group."""

    fuses_activation = True

    def check(self, node: Node) -> None:
        operands(node, 2, 3)
        image, weights = tensor(node, 0), tensor(node, 1)
        require_images(image, weights)
        channels, height, width, depth = weights.shape
        require(image.shape[3] % depth == 0, f"{image.shape[3]} channels in are no multiple of the filter's {depth}")
        groups = image.shape[3] // depth
        require(channels % groups == 0, f"{channels} channels out of {groups} groups")
        require(groups <= MAX_GROUPS, f"{groups} groups, at most {MAX_GROUPS}")
        require(groups == 1 or not is_dynamic_range(image, weights), "int8 weights of float activations in groups")
        check_convolution(node, (height, width), channels, channel_axis=0)
        if image.dtype in ("int8", "int16") and not image.unsigned and weights.quantization is not None:
            # The reference kernel refuses them too; that of the depthwise convolution ignores them.
            zero = bool((weights.quantization.zero_points == 0).all())
            require(zero, "int8 weights with a zero point other than 0")

    def lower(self, node: Node) -> list[KernelCall]:
        image, weights = tensor(node, 0), tensor(node, 1)
        groups = image.shape[3] // weights.shape[3]
        if image.dtype == "int16":
            return lower_wide(node, contents(weights), axis=0, groups=groups)
        if groups == 1:
            return lower_convolution(node, "conv2d", contents(weights), height_width(weights.shape), axis=0)
        return [call for group in range(groups) for call in _group(node, group, groups)]


def _group(node: Node, group: int, groups: int) -> list[KernelCall]:
    """Return the calls of one group: its input channels aside, their convolution, its output channels into place."""
    image, weights, output = tensor(node, 0), tensor(node, 1), node.output
    depth, channels = weights.shape[3], weights.shape[0] // groups
    before = _channels(image, depth, f"{node.name} (group {group})")
    after = _channels(output, channels, f"{node.name} (group {group} out)")
    own = slice(group * channels, (group + 1) * channels)
    inputs: list[Value | None] = [before, _part(weights, own)]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        inputs.append(_part(bias, own))
    part = Node(node.op, node.name, inputs, [after], node.attributes, node.origin)
    of_image = View.dense(image.shape).cut(3, group * depth, 1, depth)
    of_output = View.dense(output.shape).cut(3, own.start, 1, channels)
    return [
        copy_call(node, Move(image, of_image, before, View.dense(before.shape))),
        *lower_convolution(part, "conv2d", contents(weights)[own], height_width(weights.shape), axis=0),
        copy_call(node, Move(after, View.dense(after.shape), output, of_output)),
    ]


def _channels(whole: Value, channels: int, name: str) -> Value:
    """Return a value like `whole` with fewer channels."""
    shape = (*whole.shape[:3], channels)
    return Value(name, whole.dtype, shape, whole.quantization, unsigned=whole.unsigned)


def _part(whole: Value, own: slice) -> Value:
    """Return some output channels of weights or bias."""
    q = whole.quantization
    if q is not None and not q.is_per_tensor:
        zero_points = q.zero_points[own] if q.zero_points.size > 1 else q.zero_points
        q = Quantization(q.scales[own], zero_points, q.axis)
    data = contents(whole).reshape(-1, *whole.shape[1:])[own]
    return Value(whole.name, whole.dtype, data.shape, q, data, whole.unsigned)
