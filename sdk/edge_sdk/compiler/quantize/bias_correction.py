"""Rounded weights shift a layer's outputs; the mean of that shift over the samples is taken off the bias.

    shift[o] = sum over taps of (rounded - w)[o, tap] * mean input under that tap

The mean is over samples and over the output's positions, taps in the padding reading 0: exact in the mean (Nagel et
al., "Data-free quantization through weight equalization and bias correction", 2019, section 4.2, with measured means).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.convolution import ConvolutionAttributes

Floats = NDArray[np.float64]


def mean_shift(node: Node, error: Floats, mean: Floats) -> Floats | None:
    """Return the mean shift of each output channel; None where this op's sums are not known here.

    Args:
        node: a node with weights.
        error: rounded weights minus weights, in the weights' shape.
        mean: of the node's input over the samples, in its shape.
    """
    shift: Floats
    if node.op == "conv2d" and error.shape[3] != mean.shape[3]:
        return None  # in groups
    if node.op == "fully_connected":
        shift = error @ mean.reshape(-1, error.shape[1]).mean(axis=0)
    elif node.op == "conv2d":
        shift = np.einsum("ohwc,hwc->o", error, _mean_under_taps(node, mean, error.shape[1:3]))
    elif node.op == "depthwise_conv2d":
        under = _mean_under_taps(node, mean, error.shape[1:3])
        shift = (error[0] * np.repeat(under, error.shape[3] // under.shape[2], axis=2)).sum(axis=(0, 1))
    else:
        return None
    return shift


def _mean_under_taps(node: Node, mean: Floats, size: tuple[int, ...]) -> Floats:
    """Return [taps down, taps across, channels]: what each tap sees on average, padding included."""
    attributes: ConvolutionAttributes = node.attributes
    top, left, bottom, right = attributes.padding
    _, height, width, _ = node.output.shape
    image = np.pad(mean.mean(axis=0), ((top, bottom), (left, right), (0, 0)))
    under = np.empty((*size, image.shape[2]))
    for y in range(size[0]):
        for x in range(size[1]):
            first_y, first_x = y * attributes.dilation[0], x * attributes.dilation[1]
            rows = image[first_y :: attributes.stride[0]][:height]
            under[y, x] = rows[:, first_x :: attributes.stride[1]][:, :width].mean(axis=(0, 1))
    return under
