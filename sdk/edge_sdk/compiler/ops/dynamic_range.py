"""Float activations with int8 weights ("hybrid", "dynamic range"): what convolutions and products share.

The reference kernel rounds the input to 8-bit steps of its own range, one range for each of the batch, multiplies
integers, and scales the sums. Float kernels do the same with whole numbers in float32: exact below 2^24.

    x -> range -> round -> product of whole numbers -> scale -> output
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk import abi
from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import float_range
from edge_sdk.compiler.ops.op import KernelCall, require, weight_scales


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
