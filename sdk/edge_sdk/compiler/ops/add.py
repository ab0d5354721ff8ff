"""add: two tensors, repeated where their shapes ask for it.

int8: both are brought to a common scale with 20 more bits first (reference/integer_ops/add.h). The add kernels take
int8 and float32 where one operand is repeated as a whole, and are the quickest; all else goes to the map kernels.
"""

from __future__ import annotations

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.binary import Arithmetic, ArithmeticAttributes
from edge_sdk.compiler.ops.fixed_point import float_range, quantize_multiplier, quantized_range
from edge_sdk.compiler.ops.op import KERNEL_DTYPES, KernelCall, per_tensor, tensor

#: Bits of headroom that the operands are shifted up by.
LEFT_SHIFT = 20


class Add(Arithmetic):
    """A sum."""

    def lower(self, node: Node) -> list[KernelCall]:
        a, b, output = tensor(node, 0), tensor(node, 1), node.output
        repeated = all(_repeats(value, output.shape) for value in (a, b))
        if output.dtype not in ("int8", "float32") or not repeated:
            return super().lower(node)
        attributes: ArithmeticAttributes = node.attributes
        numbers: dict[str, int | float] = {
            "count": output.elements,
            "a_count": a.elements,
            "b_count": b.elements,
        }
        dtype = KERNEL_DTYPES[output.dtype]
        if dtype == "s8":
            numbers |= _fixed_point(a, b, output)
            q = per_tensor(output)
            numbers["act_min"], numbers["act_max"] = quantized_range(attributes.activation, q.scale, q.zero_point)
        else:
            numbers["act_min"], numbers["act_max"] = float_range(attributes.activation)
        whole = tuple(field for field, value in (("a", a), ("b", b)) if value.elements == output.elements)
        return [
            KernelCall(
                node.name, node.op, f"add_{dtype}", numbers, {"a": a, "b": b}, {"output": output}, in_place=whole
            )
        ]


def _fixed_point(a: Value, b: Value, output: Value) -> dict[str, int | float]:
    """Return the descriptor's integers."""
    q_a, q_b, q_out = per_tensor(a), per_tensor(b), per_tensor(output)
    common = 2.0 * max(q_a.scale, q_b.scale)
    numbers: dict[str, int | float] = {
        "a_zero_point": q_a.zero_point,
        "b_zero_point": q_b.zero_point,
        "output_zero_point": q_out.zero_point,
    }
    numbers["a_multiplier"], numbers["a_shift"] = quantize_multiplier(q_a.scale / common)
    numbers["b_multiplier"], numbers["b_shift"] = quantize_multiplier(q_b.scale / common)
    numbers["multiplier"], numbers["shift"] = quantize_multiplier(common / ((1 << LEFT_SHIFT) * q_out.scale))
    return numbers


def _repeats(value: Value, shape: tuple[int, ...]) -> bool:
    """Return whether repeating the elements in order fills `shape`: the value is a suffix of it."""
    own = value.shape
    while own and own[0] == 1:
        own = own[1:]
    return not own or own == shape[len(shape) - len(own) :]
