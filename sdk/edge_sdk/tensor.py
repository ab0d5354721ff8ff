"""What a tensor at a model's border looks like: name, dtype, shape and quantisation."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

#: dtype name -> bytes per element. Names are numpy's.
DTYPE_BYTES = {"bool": 1, "float32": 4, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: the tensor's name in the source model.
        dtype: a key of `DTYPE_BYTES`.
        shape: sizes, outermost first (NHWC for images); all positive.
        scale: real value of one integer step; 0.0 when the tensor is not quantised.
        zero_point: the integer that stands for real 0.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.elements * DTYPE_BYTES[self.dtype]
