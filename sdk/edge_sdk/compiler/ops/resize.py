"""resize_bilinear, resize_nearest: images [N, H, W, C] of another height and width.

Nearest (reference/resize_nearest_neighbor.h) only picks rows and columns: two gathers by tables made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import round_half_away_array
from edge_sdk.compiler.ops.gather import GatherAttributes, gather_call
from edge_sdk.compiler.ops.movement import require_movable
from edge_sdk.compiler.ops.op import KernelCall, Op, operands, require, require_shape, tensor

MAX_PIXELS = 65535
#: Number in the descriptor of resize_bilinear.
TYPES = {"int8": 0, "int16": 1, "float32": 2}
UNSIGNED = 3


@dataclass(frozen=True)
class ResizeAttributes:
    """The new size, and where the pixels' centres lie."""

    height: int
    width: int
    align_corners: bool = False
    half_pixel_centers: bool = False


def _check(node: Node) -> None:
    attributes: ResizeAttributes = node.attributes
    operands(node, 1)
    x = tensor(node)
    require_movable(x, node.output)
    require(len(x.shape) == 4, f"input of {len(x.shape)} dimensions, expected 4 (NHWC)")
    require_shape(node.output, (x.shape[0], attributes.height, attributes.width, x.shape[3]))
    pixels = max(*x.shape[1:3], attributes.height, attributes.width)
    require(pixels <= MAX_PIXELS, f"{pixels} pixels in a row, at most {MAX_PIXELS}")


class ResizeBilinear(Op):
    """Each pixel is blended from the four around it."""

    def check(self, node: Node) -> None:
        attributes: ResizeAttributes = node.attributes
        _check(node)
        require(tensor(node).dtype in TYPES, f"{tensor(node).dtype} tensors")
        require(
            not (attributes.align_corners and attributes.half_pixel_centers),
            "corners that are aligned together with half pixels",
        )

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: ResizeAttributes = node.attributes
        x = tensor(node)
        numbers: dict[str, int | float] = {
            "batch": x.shape[0],
            "input_h": x.shape[1],
            "input_w": x.shape[2],
            "output_h": attributes.height,
            "output_w": attributes.width,
            "channels": x.shape[3],
            "type": UNSIGNED if x.unsigned else TYPES[x.dtype],
            "align_corners": int(attributes.align_corners),
            "half_pixel_centers": int(attributes.half_pixel_centers),
        }
        return [KernelCall(node.name, node.op, "resize_bilinear", numbers, {"input": x}, {"output": node.output})]


class ResizeNearest(Op):
    """Rows first, then columns."""

    def check(self, node: Node) -> None:
        _check(node)

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: ResizeAttributes = node.attributes
        x, output = tensor(node), node.output
        batch, height, width, channels = x.shape
        rows = _table(node, "rows", nearest(height, attributes.height, attributes))
        columns = _table(node, "columns", nearest(width, attributes.width, attributes))
        shape = (batch, attributes.height, width, channels)
        tall = Value(f"{node.name} tall", x.dtype, shape, x.quantization, unsigned=x.unsigned)
        by_rows = GatherAttributes(1, batch, (height,), width * channels, attributes.height)
        by_columns = GatherAttributes(1, batch * attributes.height, (width,), channels, attributes.width)
        return [gather_call(node, x, rows, tall, by_rows), gather_call(node, tall, columns, output, by_columns)]


def nearest(size: int, target: int, attributes: ResizeAttributes) -> NDArray[np.int32]:
    """Return which pixel each one of the target shows, in float32 as the reference."""
    corners = attributes.align_corners and target > 1
    scale = np.float32(size - 1) / np.float32(target - 1) if corners else np.float32(size) / np.float32(target)
    offset = np.float32(0.5 if attributes.half_pixel_centers else 0.0)
    position: NDArray[Any] = (np.arange(target, dtype=np.float32) + offset) * scale
    found = round_half_away_array(position) if attributes.align_corners else np.floor(position)
    return np.clip(found.astype(np.int32), 0, size - 1)


def _table(node: Node, role: str, table: NDArray[np.int32]) -> Value:
    return Value(f"{node.name} {role}", "int32", table.shape, data=table)
