"""What a case function works with: a random use of one operator, added to a model under construction.

Sizes and scales come from the case's generator, so a seed says everything. A third of the scales are powers of two,
so that many sums fall exactly between two steps: there the rounding shows.

A dtype of a row is the activations', with the weights' after a plus where they are another than usual:

    "int8"  "uint8"  "int16" (int8 weights)  "float32"  "float32+int8" (hybrid)  "float32+float16"  "int32"  "bool" ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_sdk.compiler.importers.tflite import schema
from tests.unit.compiler import tflite_writer as tflite

ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")
#: Types that carry a scale.
QUANTIZED = ("int8", "uint8", "int16")
#: Weights of activations, where the row does not say.
USUAL_WEIGHTS = {"int8": "int8", "uint8": "uint8", "int16": "int8", "float32": "float32"}
#: Differences from the reference that a float output may have, as a part of its range.
CLOSE = 1e-5
#: Equal to the bit.
EXACT = 0.0


@dataclass(frozen=True)
class Draw:
    """Where the values of an input lie: both ends included. None: what is usual for the dtype."""

    low: float | None = None
    high: float | None = None

    def array(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Return random contents; one time in eight all elements are the same end of the range."""
        flat = rng.integers(8) == 0
        if dtype == "bool":
            return rng.integers(0, 2, shape).astype(np.bool_)
        if dtype in ("float32", "float16"):
            if self.low is None or self.high is None:
                return (rng.normal(0, 3, shape) if not flat else np.full(shape, rng.normal(0, 3))).astype(dtype)
            low, high = self.low, self.high
            return (np.full(shape, rng.choice([low, high])) if flat else rng.uniform(low, high, shape)).astype(dtype)
        info = np.iinfo(dtype)
        wide = info.bits > 16
        first = int(self.low) if self.low is not None else -1000 if wide else info.min
        last = int(self.high) if self.high is not None else 1000 if wide else info.max
        if flat:
            return np.full(shape, rng.choice([first, last]), dtype)
        return rng.integers(first, last + 1, shape).astype(dtype)


@dataclass
class Case:
    """One use of an operator under construction.

    Attributes:
        dtype: of the activations.
        weights_dtype: of the weights.
        magnitudes: weights and bias are made positive and nothing is clamped, so that the model's outputs for positive
            inputs are sum(abs(x * w)): by these, sums of products are compared.
        draws: tensor -> where its values lie, for inputs that cannot take everything.
    """

    model: tflite.TfliteWriter
    rng: np.random.Generator
    dtype: str
    name: str
    weights_dtype: str = ""
    magnitudes: bool = False
    draws: dict[int, Draw] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dtype, _, named = self.dtype.partition("+")
        self.weights_dtype = named or USUAL_WEIGHTS.get(self.dtype, self.dtype)

    def size(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def choice(self, values: tuple[Any, ...]) -> Any:
        return values[self.size(0, len(values) - 1)]

    def activation(self) -> str:
        chosen: str = self.choice(ACTIVATIONS)
        return "none" if self.magnitudes else chosen

    def scale(self, low: float = 0.01, high: float = 0.3, powers: tuple[int, int] = (2, 6)) -> float:
        if self.size(0, 2) == 0:
            return 2.0 ** -self.size(*powers)
        return float(self.rng.uniform(low, high))

    def steps(self, dtype: str | None = None, scale: float | None = None) -> dict[str, Any]:
        """Return random per-tensor quantisation, or nothing for a type that has none."""
        dtype = dtype or self.dtype
        if dtype not in QUANTIZED:
            return {}
        if dtype == "int16":
            return {"scales": [scale or self.scale(1e-5, 1e-3, powers=(10, 16))], "zero_points": [0]}
        zero_point = self.choice((-128, 0, 5, self.size(-128, 127)))
        shift = 128 if dtype == "uint8" else 0
        return {"scales": [scale or self.scale()], "zero_points": [zero_point + shift]}

    def tensor(self, role: str, shape: tuple[int, ...], dtype: str | None = None, **steps: Any) -> int:
        return self.model.tensor(f"{self.name} {role}", shape, dtype or self.dtype, **steps)

    def input(
        self,
        role: str,
        shape: tuple[int, ...],
        dtype: str | None = None,
        *,
        low: float | None = None,
        high: float | None = None,
        **steps: Any,
    ) -> int:
        """Add a tensor that is an input whose values lie in low .. high."""
        index = self.tensor(role, shape, dtype, **steps)
        self.draws[index] = Draw(low, high)
        return index

    def constant(self, role: str, data: np.ndarray, **quantization: Any) -> int:
        return self.model.constant(f"{self.name} {role}", data, **quantization)

    def integers(self, role: str, values: Any, dtype: str = "int32") -> int:
        """Add a constant list of integers: axes, sizes, paddings."""
        return self.constant(role, np.array(values, dtype))

    def variable(self, role: str, shape: tuple[int, ...], dtype: str | None = None, **steps: Any) -> int:
        """Add a tensor that keeps its contents from call to call."""
        return self.model.variable(f"{self.name} {role}", shape, dtype or self.dtype, **steps)

    def weights(
        self,
        shape: tuple[int, ...],
        channels: int,
        axis: int,
        role: str = "w",
        *,
        zero_points_too: bool = False,
        many_scales: bool = False,
    ) -> int:
        """Add random weights of `weights_dtype`: per tensor or per channel where the type allows both.

        Args:
            zero_points_too: int8 weights may have a zero point; uint8 weights always have one.
            many_scales: int8 weights are always per channel.
        """
        if self.weights_dtype in ("float32", "float16"):
            data = self._positive(self.rng.normal(0, 1, shape).astype(self.weights_dtype))
            stored = self.constant(role, data)
            return stored if self.weights_dtype == "float32" else self._unpacked(role, stored, shape)
        if self.weights_dtype == "uint8":
            zero_point = self.size(0, 255)
            data = self.rng.integers(0, 256, shape, np.uint8)
            return self.constant(role, data, scales=[self.scale(0.002, 0.02)], zero_points=[zero_point])
        scales = [self.scale(0.002, 0.02) for _ in range(channels if many_scales or self.size(0, 1) else 1)]
        zero_points = [self.choice((0, 0, 7, -128)) if zero_points_too else 0] * len(scales)
        data = self.int8s(shape)
        return self.constant(role, data, scales=scales, axis=axis, zero_points=zero_points)

    def int8s(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return steps of int8 weights."""
        return self._positive(self.rng.integers(-127, 128, shape, np.int8))

    def contents(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the data of a constant operand that is no weight."""
        return self._positive(Draw().array(self.rng, shape, self.dtype))

    def bias(self, x: int, weights: int, channels: int, role: str = "b") -> int:
        if self.dtype == "float32":
            return self.constant(role, self._positive(self.rng.normal(0, 1, channels).astype(np.float32)))
        data = self.rng.integers(-3000, 3000, channels, np.int32)
        stored = data.astype(np.int64) if self.dtype == "int16" else data
        return self.constant(role, stored, scales=self.scales(x)[0] * self.scales(weights))

    def scales(self, tensor: int) -> np.ndarray:
        """Return the scales of a tensor made before."""
        quantization = self.model.tensors[tensor].fields[schema.Tensor.QUANTIZATION]
        scales: np.ndarray = quantization.fields[schema.QuantizationParameters.SCALE]
        return scales

    def quantization(self, tensor: int) -> dict[str, Any]:
        """Return the steps of a tensor made before, as `tensor` takes them."""
        if self.dtype not in QUANTIZED:
            return {}
        fields = self.model.tensors[tensor].fields[schema.Tensor.QUANTIZATION].fields
        zero_points = fields[schema.QuantizationParameters.ZERO_POINT]
        return {"scales": list(self.scales(tensor)), "zero_points": list(zero_points)}

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor made before."""
        return tuple(int(size) for size in self.model.tensors[tensor].fields[schema.Tensor.SHAPE])

    def operator(self, name: str, inputs: list[int], outputs: list[int], **options: Any) -> Added:
        """Add the operator and return what the case function has to return; constants are not among the inputs."""
        self.model.operator(name, inputs, outputs, **options)
        return [index for index in inputs if index in self.draws], outputs

    def _positive(self, data: np.ndarray) -> np.ndarray:
        return np.abs(data) if self.magnitudes else data

    def _unpacked(self, role: str, stored: int, shape: tuple[int, ...]) -> int:
        unpacked = self.tensor(f"{role} unpacked", shape, "float32")
        self.model.operator("DEQUANTIZE", [stored], [unpacked])
        return unpacked


#: (inputs, outputs) of the model, as tensor numbers.
Added = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Row:
    """How to make uses of an operator, and how to judge them.

    Attributes:
        make: adds one use to `case.model`; the operator itself comes last.
        dtypes: what it is made for; see the head of this file.
        tolerance: of float outputs, as a part of the output's range: CLOSE or EXACT. Integers are always exact.
        calls: of one sequence; more than the usual two where state is kept.
        is_sum: float outputs are sums of products, so that two engines may differ by 1e-6 * sum(abs(x * w)).
        scale_matters: int8 tensors without a scale are refused.
        dtype_matters: tensors of a foreign dtype are refused; not so where bytes are only moved.
        kernels: of the oracle; others than the reference ones where those lack the operator.
        defined: of the outputs of one call of one use, what the reference defines; the rest made equal.
    """

    make: Callable[[Case], Added]
    dtypes: tuple[str, ...] = ("int8", "float32")
    tolerance: float = CLOSE
    calls: int = 2
    is_sum: bool = False
    scale_matters: bool = True
    dtype_matters: bool = True
    kernels: str = "BUILTIN_REF"
    defined: Callable[[list[np.ndarray]], list[np.ndarray]] = list
