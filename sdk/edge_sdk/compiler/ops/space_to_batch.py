"""space_to_batch and batch_to_space: blocks of an image become batches of smaller images, and back.

    [N, H, W, C]  padded, counted as  [N, H / b, b, W / c, c, C]  ->  [b, c, N, H / b, W / c, C]

The images have one, two or more dimensions: as many as the blocks have. Batches come first, channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.movement import Movement, filled, require_movable
from edge_sdk.compiler.ops.op import operands, require, require_shape, tensor
from edge_sdk.compiler.ops.pad import PadAttributes, inner_view, padded_shape, padding_value
from edge_sdk.compiler.ops.view import Move, View


@dataclass(frozen=True)
class BlockAttributes:
    """Block sizes, and the padding (or, going back, the crop) before and after each of the image's dimensions."""

    blocks: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def around(self, rank: int) -> PadAttributes:
        """Return the padding of the whole tensor of `rank` dimensions."""
        rest = (0,) * (rank - 1 - len(self.blocks))
        return PadAttributes((0, *self.before, *rest), (0, *self.after, *rest))


class SpaceToBatch(Movement):
    """A padding, where there is one, and a transposition."""

    def check(self, node: Node) -> None:
        attributes: BlockAttributes = node.attributes
        operands(node, 1)
        x = tensor(node)
        _require_blocks(attributes, x)
        shape = padded_shape(x.shape, attributes.around(len(x.shape)))
        for size, block in zip(shape[1:], attributes.blocks, strict=False):
            require(size % block == 0, f"{size} padded pixels in blocks of {block}")
        images = tuple(size // block for size, block in zip(shape[1:], attributes.blocks, strict=False))
        rest = shape[1 + len(images) :]
        require_shape(node.output, (shape[0] * prod(attributes.blocks), *images, *rest))
        require_movable(x, node.output)
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: BlockAttributes = node.attributes
        x, output = tensor(node), node.output
        padding = attributes.around(len(x.shape))
        padded = Value(f"{node.name} padded", x.dtype, padded_shape(x.shape, padding), unsigned=x.unsigned)
        moves = []
        if any((*attributes.before, *attributes.after)):
            inside = inner_view(padded.shape, x.shape, padding.before)
            moves = [filled(node, padded, padding_value(node)), Move(x, View.dense(x.shape), padded, inside)]
        else:
            padded = x
        view = _fine(padded.shape, attributes.blocks)
        count = len(attributes.blocks)
        order = [2 + 2 * k for k in range(count)] + [0] + [1 + 2 * k for k in range(count)]
        view = view.permuted([*order, *range(2 * count + 1, len(view.sizes))])
        return [*moves, Move(padded, view, output, View.dense(view.sizes))]


class BatchToSpace(Movement):
    """A transposition and, where there is something to crop, a slice."""

    def check(self, node: Node) -> None:
        attributes: BlockAttributes = node.attributes
        operands(node, 1)
        x = tensor(node)
        _require_blocks(attributes, x)
        blocks = prod(attributes.blocks)
        require(x.shape[0] % blocks == 0, f"{x.shape[0]} batches in blocks of {blocks}")
        crop = attributes.around(len(x.shape))
        whole = self._whole(x, attributes)
        left = tuple(size - a - b for size, a, b in zip(whole, crop.before, crop.after, strict=True))
        require(min(left) >= 1, f"crops {list(attributes.before)} and {list(attributes.after)} of {list(whole)}")
        require_shape(node.output, left)
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: BlockAttributes = node.attributes
        x, output = tensor(node), node.output
        shape, crop = self._whole(x, attributes), attributes.around(len(x.shape))
        count = len(attributes.blocks)
        whole = Value(f"{node.name} whole", x.dtype, shape, unsigned=x.unsigned) if shape != output.shape else output
        batches = x.shape[0] // prod(attributes.blocks)
        view = View.dense((*attributes.blocks, batches, *x.shape[1:]))
        pairs = chain.from_iterable((count + 1 + k, k) for k in range(count))
        view = view.permuted([count, *pairs, *range(2 * count + 1, len(view.sizes))])
        moves = [Move(x, view, whole, View.dense(view.sizes))]
        if whole is not output:
            inside = inner_view(shape, output.shape, crop.before)
            moves.append(Move(whole, inside, output, View.dense(output.shape)))
        return moves

    def _whole(self, x: Value, attributes: BlockAttributes) -> tuple[int, ...]:
        """Return the shape before it is cropped."""
        count = len(attributes.blocks)
        images = (size * block for size, block in zip(x.shape[1:], attributes.blocks, strict=False))
        return (x.shape[0] // prod(attributes.blocks), *images, *x.shape[1 + count :])


def _require_blocks(attributes: BlockAttributes, x: Value) -> None:
    count = len(attributes.blocks)
    require(1 <= count < len(x.shape), f"blocks of {count} dimensions for a tensor of {len(x.shape)}")
    require(len(attributes.before) == len(attributes.after) == count, "paddings of other rank than the blocks")
    require(min(attributes.blocks) >= 1, f"blocks of {list(attributes.blocks)}")
    require(min((*attributes.before, *attributes.after)) >= 0, "a negative padding")


def _fine(shape: tuple[int, ...], blocks: Sequence[int]) -> View:
    """Return the view [N, H / b, b, W / c, c, ...] of a tensor."""
    sizes = [shape[0]]
    for size, block in zip(shape[1:], blocks, strict=False):
        sizes += [size // block, block]
    return View.dense((*sizes, *shape[1 + len(blocks) :]))
