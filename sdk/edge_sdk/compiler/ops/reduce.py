"""sum, product, greatest, least, any and all of the elements along some dimensions; the op's name says which.

uint8 (reference/reduce.h): the sum is requantised, clamp(MBQM(sum - n * z1, s1 / s2) + z2). int8, int16: so is the
product, after each factor, by s1 / s2^(1/n). Greatest and least keep the scale. int32 and int64 wrap. float32 in the
order of the elements.
"""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.fixed_point import quantize_multiplier
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    per_tensor,
    require,
    require_same_quantization,
    tensor,
)
from edge_sdk.compiler.ops.reduction import Arranged, arranged, check_reduction

#: Number in the descriptor.
OPERATIONS = {
    "reduce_sum": 0,
    "reduce_prod": 1,
    "reduce_max": 2,
    "reduce_min": 3,
    "reduce_any": 4,
    "reduce_all": 5,
    "mean": 6,
    "arg_max": 7,
    "arg_min": 8,
}
TYPES = {"int8": 0, "int16": 1, "int32": 2, "int64": 3, "float32": 4, "bool": 5}
#: Types that the scaled operations of the kernel take a scale for.
SCALED = ("int8", "int16")
#: The shift of a product's factor (common.cc, MultiplyByQuantizedMultiplier of 64 bits).
PRODUCT_SHIFTS = range(-31, 8)


class Reduce(Op):
    """A reduction whose output has the input's type."""

    def check(self, node: Node) -> None:
        check_reduction(node)
        if node.op in ("reduce_any", "reduce_all"):
            require_type(node, "bool")
            return
        require_type(node, "int8", "int16", "int32", "int64", "float32")
        if node.op in ("reduce_max", "reduce_min"):
            if tensor(node).dtype in SCALED:
                require_same_quantization(tensor(node), node.output)
            return
        check_scales(node)
        if node.op == "reduce_sum":
            # LiteRT 2.3.0's reference reads their bytes as uint8: there is no answer to agree with.
            require(tensor(node).dtype not in SCALED or tensor(node).unsigned, f"a sum of {tensor(node).dtype} tensors")
        if node.op == "reduce_prod" and tensor(node).dtype in SCALED:
            require(not tensor(node).unsigned, "a product of uint8 tensors")
            _, shift = _product_factor(node)
            require(shift in PRODUCT_SHIFTS, "a product whose scales are too far apart")

    def lower(self, node: Node) -> list[KernelCall]:
        x, output = tensor(node), node.output
        seen = arranged(node)
        numbers: dict[str, int | float] = {}
        if x.dtype in SCALED and node.op in ("reduce_sum", "reduce_prod"):
            q_in, q_out = per_tensor(x), per_tensor(output)
            factor = (
                _product_factor(node) if node.op == "reduce_prod" else quantize_multiplier(q_in.scale / q_out.scale)
            )
            numbers["multiplier"], numbers["shift"] = factor
            numbers |= {"input_zero_point": q_in.zero_point, "output_zero_point": q_out.zero_point}
        return [*seen.calls, reduce_call(node, node.op, seen, numbers)]


def require_type(node: Node, *dtypes: str) -> None:
    """Raise ModelError unless input and output have the same type, one of these."""
    x, output = tensor(node), node.output
    require(x.dtype == output.dtype, f"{x.dtype} and {output.dtype} tensors")
    require(x.dtype in dtypes, f"{x.dtype} tensors")
    require(x.unsigned == output.unsigned, "int8 and uint8 steps for one operator")


def check_scales(node: Node) -> None:
    """Check that quantised input and output go together; the zero points of int16 are 0."""
    x, output = tensor(node), node.output
    if x.dtype not in SCALED:
        return
    quantize_multiplier(per_tensor(x).scale / per_tensor(output).scale)
    if x.dtype == "int16":
        zero_points = per_tensor(x).zero_point, per_tensor(output).zero_point
        require(zero_points == (0, 0), f"int16 tensors with zero points {list(zero_points)}")


def reduce_call(node: Node, operation: str, seen: Arranged, numbers: dict[str, int | float]) -> KernelCall:
    """Return the call of the kernel `reduce`; `numbers` has what is quantised."""
    unscaled = {"input_zero_point": 0, "output_zero_point": 0, "multiplier": 0, "shift": 0}
    fields: dict[str, int | float] = {
        "outer": seen.outer,
        "reduced": seen.reduced,
        "inner": seen.inner,
        "operation": OPERATIONS[operation],
        "type": TYPES[seen.value.dtype],
        "index_bytes": 0,
    }
    fields |= unscaled | numbers
    return KernelCall(node.name, node.op, "reduce", fields, {"input": seen.value}, {"output": node.output})


def _product_factor(node: Node) -> tuple[int, int]:
    """Return (multiplier, shift) of each factor: the output's scale is spread over all of them."""
    x, output = tensor(node), node.output
    factors = x.elements // output.elements
    return quantize_multiplier(per_tensor(x).scale / per_tensor(output).scale ** (1.0 / factors))
