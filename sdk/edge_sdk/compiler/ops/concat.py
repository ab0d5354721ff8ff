"""concat: tensors one after the other along a dimension; also pack, where that dimension is new.

uint8 parts may have steps of their own: they are brought to the output's by a table. int8 parts may not, and int16
parts are taken as they are, whatever their scale says.

tensorflow/lite/kernels/concatenation.cc; reference/concatenation.h, ConcatenationWithScaling: all in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import round_half_away_array
from edge_sdk.compiler.ops.movement import Movement, require_movable
from edge_sdk.compiler.ops.op import KernelCall, operands, per_tensor, require, require_shape, tensor
from edge_sdk.compiler.ops.tables import Steps, all_steps, clipped, lookup_call
from edge_sdk.compiler.ops.view import Move, View, copy_call
from edge_sdk.errors import ModelError

MAX_PARTS = 4096
#: A uint8 step or zero point, less the int8 one that stands for it.
UINT8_SHIFT = 128


@dataclass(frozen=True)
class ConcatAttributes:
    """The dimension, counted from the front in the output's shape; `stacked`: each input is one index of it."""

    axis: int
    stacked: bool = False


class Concat(Movement):
    """Every input is a part of the output, [outer, its size, inner]."""

    def check(self, node: Node) -> None:
        attributes: ConcatAttributes = node.attributes
        operands(node, 1, MAX_PARTS)
        if any(value is None for value in node.inputs):
            raise ModelError("a required input is missing")
        first = tensor(node).shape
        rank = len(first) + attributes.stacked
        require(0 <= attributes.axis < rank, f"axis {attributes.axis} of {rank} dimensions")
        for index in range(len(node.inputs)):
            shape = tensor(node, index).shape
            require(
                self._rest(shape, attributes) == self._rest(first, attributes) and len(shape) == len(first),
                f"shapes {list(first)} and {list(shape)} do not go together",
            )
            require_movable(tensor(node, index), node.output)
            _check_steps(tensor(node, index), node.output, attributes)
        require_shape(node.output, self._shape(node))
        self.check_moves(node)

    def moves(self, node: Node) -> list[Move]:
        attributes: ConcatAttributes = node.attributes
        axis, output = attributes.axis, node.output
        outer, inner = prod(output.shape[:axis]), prod(output.shape[axis + 1 :])
        moves, begin = [], 0
        for index in range(len(node.inputs)):
            x = tensor(node, index)
            size = 1 if attributes.stacked else x.shape[axis]
            to = View.dense((outer, output.shape[axis], inner)).cut(1, begin, 1, size)
            moves.append(Move(x, View.dense((outer, size, inner)), output, to))
            begin += size
        return moves

    def lower(self, node: Node) -> list[KernelCall]:
        calls = []
        for move in self.moves(node):
            if _is_rescaled(move.source, node):
                part = Value(f"{move.source.name} rescaled", move.source.dtype, move.source.shape)
                rescaling = Node(node.op, node.name, [move.source], [part])
                calls.append(lookup_call(rescaling, _rescaled(move.source, node.output)))
                move = replace(move, source=part)
            calls.append(copy_call(node, move))
        return calls

    def fold(self, node: Node) -> tuple[NDArray[Any], ...] | None:
        return None if any(_is_rescaled(move.source, node) for move in self.moves(node)) else super().fold(node)

    def _rest(self, shape: tuple[int, ...], attributes: ConcatAttributes) -> tuple[int, ...]:
        """Return the sizes that all inputs have in common."""
        return shape if attributes.stacked else (*shape[: attributes.axis], *shape[attributes.axis + 1 :])

    def _shape(self, node: Node) -> tuple[int, ...]:
        attributes: ConcatAttributes = node.attributes
        first, axis = tensor(node).shape, attributes.axis
        if attributes.stacked:
            return (*first[:axis], len(node.inputs), *first[axis:])
        total = sum(tensor(node, index).shape[axis] for index in range(len(node.inputs)))
        return (*first[:axis], total, *first[axis + 1 :])


def _same_steps(x: Value, output: Value) -> bool:
    a, b = per_tensor(x), per_tensor(output)
    return a.scale == b.scale and a.zero_point == b.zero_point


def _check_steps(x: Value, output: Value, attributes: ConcatAttributes) -> None:
    if x.dtype == "int8" and not attributes.stacked and x.quantization is not None and not x.unsigned:
        require(_same_steps(x, output), "int8 parts with other steps than the whole")


def _is_rescaled(x: Value, node: Node) -> bool:
    attributes: ConcatAttributes = node.attributes
    return x.unsigned and not attributes.stacked and not _same_steps(x, node.output)


def _rescaled(x: Value, output: Value) -> Steps:
    """Return the table from a part's steps to those of the whole; here all are 128 below the reference's uint8."""
    before, after = per_tensor(x), per_tensor(output)
    scale = np.float32(before.scale) * (np.float32(1) / np.float32(after.scale))
    unsigned = (all_steps("int8") + UINT8_SHIFT).astype(np.float32)
    with np.errstate(invalid="ignore"):  # an infinite ratio of scales makes some steps no number
        bias = np.float32(-(before.zero_point + UINT8_SHIFT)) * scale
        return clipped(round_half_away_array(unsigned * scale + bias) + np.float32(after.zero_point), "int8")
