"""Sliding windows over images: what convolutions and pools share.

Padding is explicit: (top, left, bottom, right). `same_padding` is how importers turn "same" into it.
"""

from __future__ import annotations

from edge_sdk.compiler.ops.op import require

#: Padding as (top, left, bottom, right), in pixels.
Padding = tuple[int, int, int, int]
#: (vertical, horizontal).
Pair = tuple[int, int]


def extent(size: int, dilation: int) -> int:
    """Return the pixels a dilated filter covers."""
    return (size - 1) * dilation + 1


def same_padding(image: Pair, size: Pair, stride: Pair, dilation: Pair) -> Padding:
    """Return the padding that gives ceil(image / stride) outputs, the odd pixel below and to the right."""
    before, after = [], []
    for pixels, taps, step, spread in zip(image, size, stride, dilation, strict=True):
        outputs = -(-pixels // step)
        total = max(0, (outputs - 1) * step + extent(taps, spread) - pixels)
        before.append(total // 2)
        after.append(total - total // 2)
    return before[0], before[1], after[0], after[1]


def height_width(shape: tuple[int, ...]) -> Pair:
    """Return the middle of a 4-dimensional shape: [N, H, W, C] or [O, H, W, I]."""
    return shape[1], shape[2]


def require_steps(stride: Pair, dilation: Pair = (1, 1)) -> None:
    """Raise ModelError unless strides and dilations are at least 1 and fit a descriptor."""
    for name, values in (("stride", stride), ("dilation", dilation)):
        require(all(1 <= value < 1 << 16 for value in values), f"{name} {list(values)}, expected 1 to 65535")


def output_size(image: Pair, size: Pair, stride: Pair, dilation: Pair, padding: Padding) -> Pair:
    """Return the output's height and width.

    Raises:
        ModelError: the window does not fit, or lies wholly in the padding somewhere.
    """
    require_steps(stride, dilation)
    sizes = []
    for axis in (0, 1):
        before, after = padding[axis], padding[axis + 2]
        cover = extent(size[axis], dilation[axis])
        require(0 <= before < cover and 0 <= after < cover, f"padding {list(padding)} is not below the filter's size")
        room = image[axis] + before + after - cover
        require(room >= 0, f"a filter of {cover} pixels does not fit an image of {image[axis]} pixels")
        sizes.append(room // stride[axis] + 1)
    return sizes[0], sizes[1]
