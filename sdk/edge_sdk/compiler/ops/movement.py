"""What the ops share that only move elements: each says its moves, and is lowered and folded by them.

No element is computed, so every dtype that numpy knows is welcome and quantised steps stay what they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, require
from edge_sdk.compiler.ops.view import Move, View, copy_call, require_loops

#: Types whose elements can be moved.
MOVABLE = frozenset({"bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"})
#: Bytes up to which a constant may grow when it is repeated or padded here; beyond, the kernel does it at run time.
MAX_GROWN_BYTES = 1 << 20


class Movement(Op):
    """Base of these ops: a subclass says which elements go where, and `check` begins with `check_moves`."""

    def moves(self, node: Node) -> list[Move]:
        """Return the moves of a checked node, in order; values between them are made here."""
        raise NotImplementedError

    def check_moves(self, node: Node) -> None:
        """Check what all moves have in common."""
        for move in self.moves(node):
            require_movable(move.source, move.target)
            require_loops(move)

    def lower(self, node: Node) -> list[KernelCall]:
        return [copy_call(node, move) for move in self.moves(node)]

    def fold(self, node: Node) -> tuple[NDArray[Any], ...] | None:
        inputs = sum(value.size_bytes for value in node.inputs if value is not None)
        if sum(value.size_bytes for value in node.outputs) > inputs + MAX_GROWN_BYTES:
            return None
        arrays: dict[Value, NDArray[Any]] = {}
        for move in self.moves(node):
            source = arrays.get(move.source)
            if source is None:
                source = np.ascontiguousarray(contents(move.source)).reshape(-1)
            target = arrays.setdefault(move.target, np.empty(move.target.elements, move.target.dtype))
            move.to.of(target)[...] = move.from_.of(source)
        return tuple(arrays[value].reshape(value.shape) for value in node.outputs)


def require_movable(source: Value, target: Value) -> None:
    """Raise ModelError unless elements of one tensor can stand in the other as they are."""
    require(source.dtype in MOVABLE, f"{source.dtype} tensors")
    require(source.dtype == target.dtype, f"{source.dtype} elements for a tensor of {target.dtype}")
    require(source.unsigned == target.unsigned, "int8 and uint8 steps for one tensor")


def require_elements(value: Value, expected: int) -> None:
    """Raise ModelError unless a tensor has so many elements; its shape is the importer's to judge."""
    require(
        value.elements == expected,
        f"output {value.name!r} has {value.elements} elements, but its inputs and attributes give {expected}",
    )


def normal_axis(axis: int, rank: int) -> int:
    """Return an axis counted from the front; negative ones count from the end.

    Raises:
        ModelError: there is no such axis.
    """
    require(-rank <= axis < rank, f"axis {axis} of {rank} dimensions")
    return axis % rank


def filled(node: Node, target: Value, value: Value) -> Move:
    """Return the move that fills a tensor with a single element."""
    view = View.dense(target.shape)
    return Move(value, View((target.elements,), (0,)), target, View((target.elements,), (1,), view.start))


def scalar(name: str, like: Value, number: float) -> Value:
    """Return a constant of one element of a tensor's type."""
    return Value(name, like.dtype, (), data=np.array(number, like.dtype), unsigned=like.unsigned)
