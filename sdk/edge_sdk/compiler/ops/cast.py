"""cast: numbers of one type become numbers of another; integers wrap, floats are cut and held (kernels/cast.cc)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.conversion import TYPES, convert_call
from edge_sdk.compiler.ops.elementwise import check_elementwise
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, require, tensor


class Cast(Op):
    """Another type, the same number as far as it can hold it."""

    def check(self, node: Node) -> None:
        x, output = check_elementwise(node)
        require(x.dtype in TYPES, f"cast of {x.dtype} tensors")
        require(output.dtype in TYPES and output.dtype != "float16", f"cast to {output.dtype}")
        require(not (x.unsigned or output.unsigned), "cast of uint8 tensors with a scale")

    def lower(self, node: Node) -> list[KernelCall]:
        return [convert_call(node, "cast")]

    def fold(self, node: Node) -> NDArray[Any] | None:
        x, output = contents(tensor(node)), np.dtype(node.output.dtype)
        if x.dtype.kind != "f" or output.kind in "fb":
            with np.errstate(all="ignore"):
                return x.astype(output)
        return _held(x.astype(np.float64), output)


def _held(x: NDArray[np.float64], output: np.dtype[Any]) -> NDArray[Any]:
    """Return whole numbers where the type has them, and its ends elsewhere; NaN is the greatest."""
    info = np.iinfo(output)
    inside = (x >= float(info.min)) & (x < 2.0 ** (info.bits - (info.min < 0)))
    ends = np.where(x < 0, info.min, info.max).astype(output)
    whole = np.where(inside, x, 0.0).astype(output)
    held: NDArray[Any] = np.where(inside, whole, ends)
    return held
