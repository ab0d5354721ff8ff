"""add: two tensors of one shape, or one of them repeated along the leading dimensions.

int8: both are brought to a common scale with 20 more bits first (reference/integer_ops/add.h).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import float_range, quantize_multiplier, quantized_range
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
from edge_sdk.errors import ModelError

#: Bits of headroom that the operands are shifted up by.
LEFT_SHIFT = 20
#: Elements up to which a constant operand is repeated here: a small file must not grow without bound.
MAX_SPREAD = 1 << 18


@dataclass(frozen=True)
class AddAttributes:
    """Attributes of add."""

    activation: str = "none"


class Add(Op):
    """A sum."""

    fuses_activation = True

    def check(self, node: Node) -> None:
        operands(node, 2)
        a, b = tensor(node, 0), tensor(node, 1)
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            raise ModelError(f"shapes {list(a.shape)} and {list(b.shape)} do not go together") from None
        require_shape(node.output, shape)
        for value in (a, b):
            require(
                _repeats(value, shape) or (value.is_constant and node.output.elements <= MAX_SPREAD),
                f"broadcast of {list(value.shape)} to {list(shape)} (only along leading dimensions)",
            )
        if kernel_dtype(a, b, node.output) == "s8":
            _fixed_point(a, b, node.output)

    def lower(self, node: Node) -> list[KernelCall]:
        attributes: AddAttributes = node.attributes
        output = node.output
        a, b = (_spread(tensor(node, index), output.shape) for index in (0, 1))
        numbers: dict[str, int | float] = {
            "count": output.elements,
            "a_count": a.elements,
            "b_count": b.elements,
        }
        dtype = kernel_dtype(a, b, output)
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


def _spread(value: Value, shape: tuple[int, ...]) -> Value:
    """Return a value that the kernel can repeat; a constant that it cannot is repeated here."""
    if _repeats(value, shape) or value.data is None:
        return value
    return Value(value.name, value.dtype, shape, value.quantization, np.broadcast_to(value.data, shape))
