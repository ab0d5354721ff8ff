"""mean: the mean over some dimensions that lie side by side, as [outer, reduced, inner] -> [outer, inner].

int8 divides inside the requantisation factor (reference/reduce.h, QuantizedMeanOrSum).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.fixed_point import mean_multiplier, quantize_multiplier
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    kernel_dtype,
    operands,
    per_tensor,
    require,
    require_shape,
    tensor,
)

MAX_REDUCED = 1 << 23


@dataclass(frozen=True)
class MeanAttributes:
    """Which dimensions vanish; negative axes count from the end."""

    axes: tuple[int, ...]
    keep_dims: bool = False


class Mean(Op):
    """The mean over neighbouring dimensions."""

    def check(self, node: Node) -> None:
        attributes: MeanAttributes = node.attributes
        operands(node, 1)
        x, output = tensor(node), node.output
        rank = len(x.shape)
        require(all(-rank <= axis < rank for axis in attributes.axes), f"axes {list(attributes.axes)} of {rank}")
        axes = {axis % rank for axis in attributes.axes}
        kept = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
        if not attributes.keep_dims:
            kept = [size for axis, size in enumerate(x.shape) if axis not in axes]
        require_shape(output, tuple(kept))
        outer, reduced, _ = _merged(x.shape, axes)
        require(outer >= 1, f"axes {sorted(axes)} of {list(x.shape)} are not side by side")
        require(reduced <= MAX_REDUCED, f"mean of {reduced} elements, at most {MAX_REDUCED}")
        if kernel_dtype(x, output) == "s8":
            quantize_multiplier(per_tensor(x).scale / per_tensor(output).scale)

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: MeanAttributes = node.attributes
        x, output = tensor(node), node.output
        outer, reduced, inner = _merged(x.shape, {axis % len(x.shape) for axis in attributes.axes})
        numbers: dict[str, int | float] = {"outer": outer, "reduced": reduced, "inner": inner}
        dtype = kernel_dtype(x, output)
        if dtype == "s8":
            q_in, q_out = per_tensor(x), per_tensor(output)
            numbers["multiplier"], numbers["shift"] = mean_multiplier(q_in.scale / q_out.scale, reduced)
            numbers |= {"input_zero_point": q_in.zero_point, "output_zero_point": q_out.zero_point}
        return [KernelCall(node.name, node.op, f"mean_{dtype}", numbers, {"input": x}, {"output": output})]


def _merged(shape: tuple[int, ...], axes: set[int]) -> tuple[int, int, int]:
    """Return (outer, reduced, inner), or zeros when kept dimensions lie between reduced ones.

    Dimensions of size 1 stand in nobody's way.
    """
    reduced = [axis for axis in sorted(axes) if shape[axis] > 1]
    if not reduced:
        return prod(shape), 1, 1
    first, last = reduced[0], reduced[-1]
    if any(axis not in axes and shape[axis] > 1 for axis in range(first, last)):
        return 0, 0, 0
    return prod(shape[:first]), prod(shape[axis] for axis in reduced), prod(shape[last + 1 :])
