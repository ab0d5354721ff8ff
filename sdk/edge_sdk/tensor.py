"""What a tensor at a model's border looks like: name, dtype, shape and quantisation; and whether an array fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from edge_sdk.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def checked_arrays(model: str, specs: Sequence[TensorSpec], arrays: Sequence[Any]) -> tuple[NDArray[Any], ...]:
    """Return the inputs of a model, contiguous.

    Args:
        model: its name, for messages.

    Raises:
        InputError: their count, or the dtype or shape of one, is not what the model takes.
    """
    if len(arrays) != len(specs):
        raise InputError(f"model {model!r} takes {len(specs)} inputs, got {len(arrays)}")
    pairs = enumerate(zip(specs, arrays, strict=True))
    return tuple(_checked(model, index, spec, array) for index, (spec, array) in pairs)


def _checked(model: str, index: int, spec: TensorSpec, array: Any) -> NDArray[Any]:
    import numpy as np  # not before there are arrays: the package's door must open fast

    if isinstance(array, np.ndarray) and array.dtype == spec.dtype and array.shape == spec.shape:
        return array if array.flags.c_contiguous else array.copy("C")
    where = f"model {model!r}, input {index} {spec.name!r}: expected {spec.dtype} {list(spec.shape)}"
    if not isinstance(array, np.ndarray):
        raise InputError(f"{where}, got {type(array).__name__}", hint="pass a numpy array")
    raise InputError(f"{where}, got {array.dtype} {list(array.shape)}")
