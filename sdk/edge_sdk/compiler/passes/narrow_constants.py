"""Store weights in the narrowest type that holds them: float32 numbers that are all int8 or float16 numbers.

The kernels of float activations read float32 weights. Those of a model with int8 or float16 weights are such numbers,
and a module that stored them as they are read would be four or two times as large. `prepare` widens them, once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.ops.op import KernelCall

#: Smaller arrays are not worth a call.
LEAST_ELEMENTS = 1024
#: The narrowest first.
NARROW_DTYPES = ("int8", "float16")


def narrow_constants(calls: list[KernelCall]) -> None:
    """Fill `stored` of the calls; the same array is looked at once."""
    known: dict[tuple[object, ...], Value | None] = {}
    for call in calls:
        for field, array in call.constants.items():
            if array.dtype != np.float32 or array.size < LEAST_ELEMENTS:
                continue
            identity = array.__array_interface__["data"][0], array.shape, array.strides
            if identity not in known:
                known[identity] = _narrow(f"{call.node} {field}", array)
            narrow = known[identity]
            if narrow is not None:
                call.stored[field] = narrow


def _narrow(name: str, array: NDArray[Any]) -> Value | None:
    """Return a constant with the same numbers in fewer bytes; None where there is none, or nothing but zeros."""
    if not np.isfinite(array).all() or not array.any():
        return None
    for dtype in NARROW_DTYPES:
        with np.errstate(over="ignore", invalid="ignore"):
            narrow = array.astype(dtype)
        # Bits, not numbers: int8 has no -0.
        if np.array_equal(narrow.astype(np.float32).view(np.uint32), np.ascontiguousarray(array).view(np.uint32)):
            return Value(name, dtype, array.shape, data=np.ascontiguousarray(narrow))
    return None
