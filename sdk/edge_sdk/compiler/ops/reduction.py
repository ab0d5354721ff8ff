"""What the ops share that join elements along some dimensions: which vanish, and how the kernels see the tensor.

A kernel takes [outer, reduced, inner]. Where the dimensions that vanish lie side by side that is the tensor as it is;
otherwise it is transposed first, to [kept, reduced].
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.movement import normal_axis
from edge_sdk.compiler.ops.op import KernelCall, operands, require, require_shape, tensor
from edge_sdk.compiler.ops.view import Move, View, copy_call, require_loops

MAX_REDUCED = 1 << 23


@dataclass(frozen=True)
class ReduceAttributes:
    """Which dimensions vanish; negative axes count from the end."""

    axes: tuple[int, ...]
    keep_dims: bool = False


@dataclass(frozen=True)
class Arranged:
    """A tensor as a kernel takes it, and the calls that make it."""

    value: Value
    outer: int
    reduced: int
    inner: int
    calls: tuple[KernelCall, ...] = ()


def check_reduction(node: Node) -> None:
    """Check axes and shapes of a node with one input."""
    attributes: ReduceAttributes = node.attributes
    operands(node, 1)
    x = tensor(node)
    axes = reduced_axes(node)
    kept = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    if not attributes.keep_dims:
        kept = [size for axis, size in enumerate(x.shape) if axis not in axes]
    require_shape(node.output, tuple(kept))
    reduced = prod(x.shape[axis] for axis in axes)
    require(reduced <= MAX_REDUCED, f"{node.op} of {reduced} elements, at most {MAX_REDUCED}")
    if merged(x.shape, axes) is None:
        require_loops(_transposition(node))


def reduced_axes(node: Node) -> set[int]:
    """Return the dimensions that vanish, counted from the front."""
    attributes: ReduceAttributes = node.attributes
    rank = len(tensor(node).shape)
    return {normal_axis(axis, rank) for axis in attributes.axes} if rank else set()


def arranged(node: Node) -> Arranged:
    """Return the input of a checked node as a kernel takes it."""
    x = tensor(node)
    sizes = merged(x.shape, reduced_axes(node))
    if sizes is not None:
        return Arranged(x, *sizes)
    move = _transposition(node)
    reduced = x.elements // node.output.elements
    return Arranged(move.target, node.output.elements, reduced, 1, (copy_call(node, move),))


def merged(shape: tuple[int, ...], axes: set[int]) -> tuple[int, int, int] | None:
    """Return (outer, reduced, inner), or None when kept dimensions lie between reduced ones.

    Dimensions of size 1 stand in nobody's way.
    """
    reduced = [axis for axis in sorted(axes) if shape[axis] > 1]
    if not reduced:
        return prod(shape), 1, 1
    first, last = reduced[0], reduced[-1]
    if any(axis not in axes and shape[axis] > 1 for axis in range(first, last)):
        return None
    return prod(shape[:first]), prod(shape[axis] for axis in reduced), prod(shape[last + 1 :])


def _transposition(node: Node) -> Move:
    """Return the move of the input to [kept, reduced], both in their order."""
    x = tensor(node)
    axes = reduced_axes(node)
    order = sorted(range(len(x.shape)), key=lambda axis: (axis in axes, axis))
    view = View.dense(x.shape).permuted(order)
    turned = Value(f"{x.name} turned", x.dtype, view.sizes, x.quantization, unsigned=x.unsigned)
    return Move(x, view, turned, View.dense(view.sizes))
