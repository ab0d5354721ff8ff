"""A view: how a walk goes through a tensor's elements, without touching them.

    View.dense((2, 3)).permuted((1, 0))        # 3 x 2, steps 1 and 3
    View.dense((9,)).cut(0, 8, -2, 3)          # elements 8, 6, 4
    View.dense((4, 6)).split((4, 2, 3))        # the same elements, counted in three dimensions

Element (i, j, ...) of a view is element `start + i * steps[0] + j * steps[1] + ...` of the tensor. A move copies one
view to another of the same sizes: the kernel `copy`, or numpy where the tensor is constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.abi import COPY_LOOPS
from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import KernelCall, require

#: What a descriptor's step can hold.
MAX_STEP = (1 << 31) - 1


@dataclass(frozen=True)
class View:
    """Sizes and steps of each dimension, outermost first; the element where all of them begin."""

    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    start: int = 0

    @classmethod
    def dense(cls, shape: Sequence[int]) -> View:
        """Return all elements of a tensor, in order."""
        steps = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        return cls(tuple(shape), tuple(steps))

    def permuted(self, order: Sequence[int]) -> View:
        """Return the view whose dimension k is dimension order[k] of this one."""
        return View(tuple(self.sizes[k] for k in order), tuple(self.steps[k] for k in order), self.start)

    def cut(self, axis: int, begin: int, step: int, size: int) -> View:
        """Return the part with indices begin, begin + step, ... (`size` of them) of one dimension."""
        sizes, steps = list(self.sizes), list(self.steps)
        start = self.start + begin * steps[axis]
        sizes[axis], steps[axis] = size, steps[axis] * step
        return View(tuple(sizes), tuple(steps), start)

    def split(self, shape: Sequence[int]) -> View:
        """Return a dense view's elements under another shape."""
        if self != View.dense(self.sizes) or prod(shape) != prod(self.sizes):
            raise ValueError(f"{self} cannot be counted as {list(shape)}")
        return View.dense(shape)

    def repeated(self, shape: Sequence[int]) -> View:
        """Return this view broadcast to a shape: dimensions of size 1, and new ones in front, stand still."""
        missing = len(shape) - len(self.sizes)
        old = (1,) * missing + self.sizes
        steps = (0,) * missing + self.steps
        still = tuple(step if size == new else 0 for step, size, new in zip(steps, old, shape, strict=True))
        return View(tuple(shape), still, self.start)

    def of(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Return the view of a tensor's contents, which lie in one dense row."""
        steps = tuple(step * flat.itemsize for step in self.steps)
        return np.lib.stride_tricks.as_strided(flat[self.start :], self.sizes, steps)


@dataclass(frozen=True)
class Move:
    """target[to] = source[from_]."""

    source: Value
    from_: View
    target: Value
    to: View


def copy_call(node: Node, move: Move) -> KernelCall:
    """Return the kernel call of a move; `require_loops` has seen it."""
    loops = _merged(move)
    numbers: dict[str, int | float] = {
        "element": np.dtype(move.source.dtype).itemsize,
        "input_start": move.from_.start,
        "output_start": move.to.start,
    }
    idle = [(1, 0, 0)] * (COPY_LOOPS - len(loops))
    for loop, (size, step_from, step_to) in enumerate(idle + loops):
        numbers |= {f"size_{loop}": size, f"from_{loop}": step_from, f"to_{loop}": step_to}
    return KernelCall(node.name, node.op, "copy", numbers, {"input": move.source}, {"output": move.target})


def require_loops(move: Move) -> None:
    """Raise ModelError where a move has more loops than the kernel, or steps that a descriptor cannot hold."""
    loops = _merged(move)
    require(len(loops) <= COPY_LOOPS, f"a copy of {len(loops)} nested loops, at most {COPY_LOOPS}")
    require(
        all(abs(step) <= MAX_STEP for _, *steps in loops for step in steps) and move.source.elements <= MAX_STEP,
        f"a tensor of {move.source.elements} elements",
    )


def _merged(move: Move) -> list[tuple[int, int, int]]:
    """Return (size, step in the source, step in the target) of the loops, joined where both run on without a gap."""
    loops: list[tuple[int, int, int]] = []
    for loop in zip(move.from_.sizes, move.from_.steps, move.to.steps, strict=True):
        size, step_from, step_to = loop
        if size == 1:
            continue
        if loops and loops[-1][1:] == (size * step_from, size * step_to):
            loops[-1] = (loops[-1][0] * size, step_from, step_to)
        else:
            loops.append(loop)
    return loops
