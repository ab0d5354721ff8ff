"""One operator of the file, and what the functions that read operators share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.flatbuffer import Table
from edge_sdk.compiler.ops.op import require
from edge_sdk.errors import ModelError

MAX_RANK = 8


@dataclass(frozen=True)
class Operator:
    """One operator of the file, its tensors looked up.

    Attributes:
        options: None where the file has none; `options_type` says which table it is.
        custom: the options of a custom operator, as `flexbuffer.read_map` takes them.
        intermediates: tensors of which only the quantisation counts.
    """

    inputs: list[Value | None]
    outputs: list[Value]
    options: Table | None
    options_type: int
    custom: bytes = b""
    intermediates: list[Value] = field(default_factory=list)

    def input(self, index: int) -> Value:
        """Return a required input."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None:
            raise ModelError(f"input {index} is missing")
        return value

    def output(self) -> Value:
        """Return the only output."""
        require(len(self.outputs) == 1, f"has {len(self.outputs)} outputs, expected 1")
        return self.outputs[0]

    def number(self, union: int, slot: int, code: str, default: Any) -> Any:
        """Return a field of the options; its default where there are none."""
        if self.options is None:
            return default
        require(self.options_type == union, f"options of kind {self.options_type}, expected {union}")
        return self.options.number(slot, code, default)


#: (op, inputs, attributes) of a node.
Translation = tuple[str, list[Value | None], Any]
#: Raises ModelError, with the reason alone, for what no op of ours can express.
Row = Callable[[Operator], Translation]


def fused_activation(operator: Operator, union: int, slot: int) -> str:
    """Return the name of the activation in a field of the options."""
    number: int = operator.number(union, slot, "b", 0)
    if number not in schema.ACTIVATIONS:
        raise ModelError(f"fused activation {number}")
    return schema.ACTIVATIONS[number]


def plain(op: str) -> Row:
    """Return the row of an operator whose options say nothing."""

    def translate(operator: Operator) -> Translation:
        return op, operator.inputs, None

    return translate


def constant_integers(value: Value, what: str) -> tuple[int, ...]:
    """Return the contents of a short constant list, at most MAX_RANK of them."""
    if value.data is None:
        raise ModelError(f"{what} that are not constant")
    require(value.dtype in ("int32", "int64"), f"{what} of {value.dtype}")
    require(value.elements <= MAX_RANK, f"{value.elements} {what}, at most {MAX_RANK}")
    return tuple(int(number) for number in value.data.ravel())
