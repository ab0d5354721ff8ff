"""Float activations with int8 weights ("hybrid", "dynamic range"): what convolutions and products share.

The reference kernel rounds the input to 8-bit steps of its own range, one range for each of the batch, multiplies
integers, and scales the sums. Float kernels do the same with whole numbers in float32: exact below 2^24.

    x -> range -> round -> product of whole numbers -> scale -> output

Layers that remember round to int8 instead, and one kernel multiplies and scales:

    x -> range -> round -> hybrid product -> output
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk import abi
from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import float_range
from edge_sdk.compiler.ops.op import KernelCall, contents, per_tensor, require, weight_scales


def is_dynamic_range(x: Value, weights: Value) -> bool:
    """Return whether int8 weights meet float activations."""
    return x.dtype == "float32" and weights.dtype == "int8"


def has_one_scale(weights: Value) -> bool:
    """Return whether the weights share one scale; not so where each of one channel has its own."""
    return weights.quantization is not None and weights.quantization.is_per_tensor


def check_dynamic_weights(weights: Value, channels: int, axis: int) -> None:
    """Raise ModelError unless the weights have scales and no zero points."""
    weight_scales(weights, channels, axis)
    quantization = weights.quantization
    zero = quantization is not None and bool((quantization.zero_points == 0).all())
    require(zero, "int8 weights of float activations with a zero point other than 0")


def around_product(
    node: Node, product: KernelCall, weights: Value, axis: int, *, batch: int, symmetric: bool
) -> list[KernelCall]:
    """Return the calls of a node: the float product, what its input needs before and its sums after.

    Args:
        product: reads `input`, writes `output`, channels last; its constants and bounds become those of whole numbers.
        axis: the dimension of the weights that is the output's channels.
        batch: how many ranges the input has.
    """
    x, output, channels = product.reads["input"], node.output, node.output.shape[-1]
    count = x.elements // batch
    ranges = Value(f"{node.name} (range)", "float32", (batch, -(-count // abi.DYNAMIC_BLOCK), 2))
    steps = Value(f"{node.name} (steps)", "float32", x.shape)
    sums = Value(f"{node.name} (sums)", "float32", output.shape)
    common: dict[str, int | float] = {"batch": batch, "count": count}
    rounded = common | {"symmetric": int(symmetric)}
    scaled = rounded | {"pixels": output.elements // channels // batch, "channels": channels}
    scaled |= {name: product.numbers[name] for name in ("act_min", "act_max")}
    factors: dict[str, NDArray[Any]] = {"factors": weight_scales(weights, channels, axis).astype(np.float32)}
    if "bias" in product.constants:
        factors["bias"] = product.constants.pop("bias")
    product.numbers["act_min"], product.numbers["act_max"] = float_range("none")
    product.constants["filter"] = product.constants["filter"].astype(np.float32)
    product.reads["input"], product.writes["output"] = steps, sums

    def call(step: str, numbers: dict[str, int | float], reads: dict[str, Value], made: Value) -> KernelCall:
        place = () if step == "range" else ("input",)
        return KernelCall(node.name, node.op, f"dynamic_{step}_f32", numbers, reads, {"output": made}, in_place=place)

    last = call("scale", scaled, {"input": sums, "ranges": ranges}, output)
    last.constants = factors
    return [
        call("range", common, {"input": x}, ranges),
        call("round", rounded, {"input": x, "ranges": ranges}, steps),
        product,
        last,
    ]


@dataclass(frozen=True)
class Rounded:
    """A float value as int8 steps, and the ranges that say what they mean."""

    steps: Value
    ranges: Value
    symmetric: bool

    @property
    def width(self) -> int:
        """How many steps share a range."""
        return self.steps.shape[-1]


def rounding(node: Node, x: Value, *, width: int, symmetric: bool, name: str) -> tuple[Rounded, list[KernelCall]]:
    """Return x as steps, a range for every `width` elements, and the calls that make it so."""
    batch = x.elements // width
    ranges = Value(f"{node.name} ({name} range)", "float32", (batch, -(-width // abi.DYNAMIC_BLOCK), 2))
    rounded = Rounded(Value(f"{node.name} ({name} steps)", "int8", (batch, width)), ranges, symmetric)
    common: dict[str, int | float] = {"batch": batch, "count": width}
    finding = KernelCall(node.name, node.op, "dynamic_range_f32", common, {"input": x}, {"output": ranges})
    numbers = common | {"symmetric": int(symmetric)}
    reads, writes = {"input": x, "ranges": ranges}, {"output": rounded.steps}
    return rounded, [finding, KernelCall(node.name, node.op, "dynamic_round_s8", numbers, reads, writes)]


@dataclass(frozen=True)
class HybridWeights:
    """Rows of int8 weights, and the scale of each."""

    rows: NDArray[np.int8]
    factors: NDArray[np.float32]

    @classmethod
    def of(cls, weights: Sequence[Value]) -> HybridWeights:
        """Return the rows of all, one after the other."""
        scales = np.array([per_tensor(value).scales[0] for value in weights], np.float32)
        factors = np.repeat(scales, [value.shape[0] for value in weights])
        return cls(np.concatenate([contents(value) for value in weights]), factors)


def hybrid_product(
    node: Node,
    x: Rounded,
    weights: HybridWeights,
    *,
    numbers: dict[str, int | float],
    writes: dict[str, Value],
    recurrent: tuple[Rounded, HybridWeights] | None = None,
    bias: NDArray[np.float32] | None = None,
) -> KernelCall:
    """Return the product of rounded vectors and all rows of the weights.

    Args:
        numbers: the descriptor's own: batch, places of the step, bounds of the output.
        recurrent: a second rounded vector and weights, whose product is added.
    """
    units = len(weights.rows)
    reads = {"input": x.steps, "ranges": x.ranges}
    constants: dict[str, NDArray[Any]] = {"input_weights": weights.rows, "factors": weights.factors}
    h_width = recurrent[0].width if recurrent is not None else 0
    numbers = numbers | {"input_c": x.width, "recurrent_c": h_width, "units": units, "symmetric": int(x.symmetric)}
    if recurrent is not None:
        h, again = recurrent
        reads |= {"recurrent": h.steps, "recurrent_ranges": h.ranges}
        constants |= {"recurrent_weights": again.rows, "recurrent_factors": again.factors}
    if bias is not None:
        constants["bias"] = bias
    return KernelCall(
        node=node.name,
        op=node.op,
        kernel="hybrid_f32",
        numbers=numbers,
        reads=reads,
        writes=writes,
        constants=constants,
        macs=int(numbers["batch"]) * units * (x.width + h_width),
    )


def require_hybrid_weights(value: Value, shape: tuple[int, ...]) -> None:
    """Raise ModelError unless these are constant int8 weights of that shape with one scale and no zero point."""
    require(value.is_constant, "weights that are not constant")
    require(value.dtype == "int8", f"tensor {value.name!r} is {value.dtype}, expected int8 like the other weights")
    require(value.shape == shape, f"tensor {value.name!r} is {list(value.shape)}, expected {list(shape)}")
    require(has_one_scale(value), f"tensor {value.name!r} has {'many scales' if value.quantization else 'no scale'}")
    check_dynamic_weights(value, shape[0], axis=0)


def dequantized(value: Value) -> NDArray[np.float32]:
    """Return int8 weights as the floats they stand for."""
    scale: np.float32 = per_tensor(value).scales[0]
    return contents(value).astype(np.float32) * scale
