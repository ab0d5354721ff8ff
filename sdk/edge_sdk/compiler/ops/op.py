"""What an op is: a check that speaks to people and a lowering that speaks to a kernel.

    class Softmax(Op):
        def check(self, node): ...             # raise ModelError where the node is not what the kernels can do
        def lower(self, node): ...             # -> [KernelCall]: kernel, tensors, constants, numbers

`check` runs on every node before anything else looks at it; `lower` may rely on it. Messages say what is wrong with
the node; who calls adds which node it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Quantization, Value
from edge_sdk.errors import ModelError

#: dtype of the activations -> ending of the kernel's name.
KERNEL_DTYPES = {"int8": "s8", "float32": "f32"}


@dataclass(eq=False)
class KernelCall:
    """One descriptor before it has addresses.

    Attributes:
        node: the graph node's name.
        op: the graph node's op.
        kernel: a name of `edge_sdk.abi.KERNELS`.
        numbers: descriptor field -> value, for all but offsets, packed, scratch, node, begin and end.
        reads: descriptor field -> tensor; a constant one is placed with the weights.
        writes: descriptor field -> tensor.
        constants: descriptor field -> array to be placed with the weights.
        in_place: fields of `reads` whose memory the result may take.
        macs: multiply-accumulates, for the report.
        stored: field of `constants` -> the same numbers in a narrower type, which are placed instead and widened once.
    """

    node: str
    op: str
    kernel: str
    numbers: dict[str, int | float]
    reads: dict[str, Value]
    writes: dict[str, Value]
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    in_place: tuple[str, ...] = ()
    macs: int = 0
    stored: dict[str, Value] = field(default_factory=dict)


class Op:
    """Base of all ops.

    Attributes:
        is_alias: the output shows the input's bytes under another shape; there is no kernel.
        fuses_activation: `node.attributes.activation` may take a following activation.
    """

    is_alias = False
    fuses_activation = False

    def check(self, node: Node) -> None:
        """Raise ModelError where the node is not something `lower` can translate exactly."""
        raise NotImplementedError

    def lower(self, node: Node) -> list[KernelCall]:
        """Return the kernel calls of a checked node, in order.

        Values between them are made here, `Value(name, dtype, shape)`; a value may be written by several calls, each a
        part of it.
        """
        raise NotImplementedError

    def fold(self, node: Node) -> NDArray[Any] | tuple[NDArray[Any], ...] | None:
        """Return the output of a checked node whose inputs are all constant; None: leave it to the kernel.

        A tuple where there may be several outputs.
        """
        return None


def require(condition: bool, reason: str) -> None:
    """Raise ModelError(reason) unless the condition holds."""
    if not condition:
        raise ModelError(reason)


def operands(node: Node, least: int, most: int | None = None, *, outputs: int = 1) -> list[Value | None]:
    """Return the inputs, padded with None to `most`; the first `least` are there, and there are `outputs` outputs."""
    most = least if most is None else most
    require(len(node.outputs) == outputs, f"has {len(node.outputs)} outputs, expected {outputs}")
    require(least <= len(node.inputs) <= most, f"has {len(node.inputs)} inputs, expected {least} to {most}")
    require(all(value is not None for value in node.inputs[:least]), "a required input is missing")
    return node.inputs + [None] * (most - len(node.inputs))


def tensor(node: Node, index: int = 0) -> Value:
    """Return input `index`, which the node's check has found to be there."""
    value = node.inputs[index]
    if value is None:
        raise ValueError(f"node {node.name!r} has no input {index}")
    return value


def kernel_dtype(*values: Value, int16: bool = False) -> str:
    """Return "s8" or "f32" for activations that are all int8 or all float32; "s16" where the op takes that too."""
    dtypes = sorted({value.dtype for value in values})
    known = KERNEL_DTYPES | ({"int16": "s16"} if int16 else {})
    require(len(dtypes) == 1 and dtypes[0] in known, f"{' and '.join(dtypes)} tensors")
    return known[dtypes[0]]


def source_dtype(*values: Value) -> str:
    """Return the dtype that the values have in the source model: "uint8" for int8 steps of an unsigned tensor."""
    dtypes = sorted({"uint8" if value.unsigned and value.dtype == "int8" else value.dtype for value in values})
    require(len(dtypes) == 1, f"{' and '.join(dtypes)} tensors")
    return dtypes[0]


def per_tensor(value: Value) -> Quantization:
    """Return the quantisation of an activation: one positive scale, a zero point that the dtype can hold."""
    q = value.quantization
    if q is None or q.scales.size == 0:
        raise ModelError(f"tensor {value.name!r} is {value.dtype} but has no scale")
    require(q.is_per_tensor, f"tensor {value.name!r} has {q.scales.size} scales, expected 1")
    require(bool(np.isfinite(q.scales[0])) and q.scale > 0, f"tensor {value.name!r} has scale {q.scale}")
    info = np.iinfo(value.dtype)
    require(
        info.min <= q.zero_point <= info.max,
        f"tensor {value.name!r} has zero point {q.zero_point}, expected {info.min} to {info.max}",
    )
    return q


def weight_scales(value: Value, channels: int, axis: int) -> NDArray[np.float64]:
    """Return one scale per output channel of int8 weights."""
    q = value.quantization
    if q is None or q.scales.size == 0:
        raise ModelError(f"weights {value.name!r} are int8 but have no scale")
    require(bool((np.isfinite(q.scales) & (q.scales >= 0)).all()), f"a scale of weights {value.name!r} is no number")
    if q.is_per_tensor:
        return np.full(channels, q.scale, np.float64)
    require(q.axis == axis, f"weights quantised along dimension {q.axis}, expected {axis}")
    require(q.scales.size == channels, f"{q.scales.size} weight scales for {channels} channels")
    return q.scales.astype(np.float64)


def weight_zero_point(value: Value) -> int:
    """Return the zero point that weights of one scale share."""
    q = value.quantization
    if q is None or q.zero_points.size == 0:
        raise ModelError(f"weights {value.name!r} are int8 but have no scale")
    shared = bool((q.zero_points == q.zero_points[0]).all())
    require(shared, f"weights {value.name!r} have a zero point for each channel")
    require(-128 <= q.zero_point <= 127, f"weights {value.name!r} have zero point {q.zero_point}")
    return q.zero_point


def require_weights(weights: Value, bias: Value | None, channels: int, dtype: str, *, dynamic: bool = False) -> None:
    """Check dtypes and shapes of constant weights and bias for activations of "s8", "s16" or "f32".

    dynamic: the weights of float activations are int8.
    """
    name = "float32" if dtype == "f32" and not dynamic else "int8"
    require(weights.is_constant, "weights that are not constant")
    require(weights.dtype == name, f"{weights.dtype} weights, expected {name}")
    if bias is None:
        return
    expected = {"s8": ("int32",), "s16": ("int32", "int64"), "f32": ("float32",)}[dtype]
    require(bias.is_constant, "a bias that is not constant")
    require(bias.dtype in expected, f"{bias.dtype} bias, expected {' or '.join(expected)}")
    require(bias.elements == channels, f"bias of {bias.elements} elements, expected {channels}")


def require_shape(value: Value, expected: tuple[int, ...]) -> None:
    """Raise ModelError unless the output has the shape that the attributes give."""
    require(
        value.shape == expected,
        f"output {value.name!r} is {list(value.shape)}, but its inputs and attributes give {list(expected)}",
    )


def require_states(node: Node, *states: Value | None) -> None:
    """Raise ModelError unless the node writes back the states that it reads, in this order, after its results."""
    for state in states:
        require(state in node.outputs[1:], f"state {state.name if state else '?'!r} is no variable tensor")
        require(state is not None and len(state.shape) > 0, "a state without dimensions")


def require_same_quantization(first: Value, second: Value) -> None:
    """Check that an op that only moves or compares steps has the same step on both sides."""
    a, b = per_tensor(first), per_tensor(second)
    same = abs(a.scale - b.scale) <= 1e-6 * max(a.scale, b.scale) and a.zero_point == b.zero_point
    require(same, "input and output are quantised differently")


def contents(value: Value) -> NDArray[Any]:
    """Return the array of a constant."""
    if value.data is None:
        raise ValueError(f"value {value.name!r} is not constant")
    return value.data
