"""Writes small .tflite files for tests, with a flatbuffer writer of its own: no model of others is needed.

model = TfliteWriter()
x = model.tensor("x", (1, 4), "int8", scales=[0.5], zero_points=[3])
y = model.tensor("y", (1, 4), "int8", scales=[0.5], zero_points=[3])
model.operator("RELU", [x], [y])
data = model.finish([x], [y])
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_sdk.compiler.importers.tflite import schema

SIZES = {"b": 1, "B": 1, "?": 1, "i": 4, "I": 4, "f": 4, "Q": 8}
TYPE_NUMBERS = {name: number for number, name in schema.TENSOR_TYPES.items()}
ACTIVATION_NUMBERS = {name: number for number, name in schema.ACTIVATIONS.items()}


@dataclass
class Table:
    """Field number -> (struct code, number), text, array, table or list of tables."""

    fields: dict[int, Any] = field(default_factory=dict)


def write_flatbuffer(root: Table, identifier: bytes) -> bytes:
    """Lay objects out breadth first, so that every reference points forward."""
    out = bytearray(struct.pack("<I4s", 0, identifier))
    waiting: deque[tuple[int, Any]] = deque([(0, root)])
    while waiting:
        reference, thing = waiting.popleft()
        if isinstance(thing, Table):
            position = _write_table(out, thing, waiting)
        elif isinstance(thing, str):
            raw = thing.encode()
            position = _align(out, 4)
            out += struct.pack("<I", len(raw)) + raw + b"\0"
        elif isinstance(thing, np.ndarray):
            position = _align(out, 16, 4)
            out += struct.pack("<I", thing.size) + thing.tobytes()
        else:
            position = _align(out, 4)
            out += struct.pack("<I", len(thing))
            for item in thing:
                waiting.append((len(out), item))
                out += bytes(4)
        struct.pack_into("<I", out, reference, position - reference)
    return bytes(out)


def _align(out: bytearray, step: int, shift: int = 0) -> int:
    """Pad so that the byte `shift` after the returned position is aligned."""
    while (len(out) + shift) % step:
        out.append(0)
    return len(out)


def _write_table(out: bytearray, table: Table, waiting: deque[tuple[int, Any]]) -> int:
    slots = max(table.fields, default=-1) + 1
    offsets, size = [0] * slots, 4
    for slot, value in sorted(table.fields.items()):
        width = SIZES[value[0]] if isinstance(value, tuple) else 4
        size = -(-size // width) * width
        offsets[slot] = size
        size += width
    vtable = _align(out, 2)
    out += struct.pack(f"<{2 + slots}H", 4 + 2 * slots, size, *offsets)
    position = _align(out, 8)
    out += struct.pack("<i", position - vtable) + bytes(size - 4)
    for slot, value in table.fields.items():
        at = position + offsets[slot]
        if isinstance(value, tuple):
            struct.pack_into("<" + value[0], out, at, value[1])
        else:
            waiting.append((at, value))
    return position


class TfliteWriter:
    """Collects tensors and operators of one subgraph."""

    def __init__(self) -> None:
        self.tensors: list[Table] = []
        self.operators: list[Table] = []
        self.codes: list[Table] = []
        self.buffers: list[Table] = [Table()]
        self._code_of: dict[str, int] = {}

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        *,
        scales: Sequence[float] = (),
        zero_points: Sequence[int] = (),
        axis: int = 0,
        data: np.ndarray | None = None,
        fields: dict[int, Any] | None = None,
    ) -> int:
        """Add a tensor and return its index; `fields` overrides raw schema fields."""
        table = Table(
            {
                schema.Tensor.SHAPE: np.array(shape, "<i4"),
                schema.Tensor.TYPE: ("b", TYPE_NUMBERS[dtype]),
                schema.Tensor.BUFFER: ("I", self._buffer(data)),
                schema.Tensor.NAME: name,
            }
        )
        if len(scales):
            table.fields[schema.Tensor.QUANTIZATION] = Table(
                {
                    schema.QuantizationParameters.SCALE: np.array(scales, "<f4"),
                    schema.QuantizationParameters.ZERO_POINT: np.array(zero_points or [0] * len(scales), "<i8"),
                    schema.QuantizationParameters.QUANTIZED_DIMENSION: ("i", axis),
                }
            )
        table.fields |= fields or {}
        self.tensors.append(table)
        return len(self.tensors) - 1

    def constant(self, name: str, data: np.ndarray, **quantization: Any) -> int:
        """Add a constant tensor."""
        return self.tensor(name, data.shape, data.dtype.name, data=data, **quantization)

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: dict[int, tuple[str, Any]] | None = None,
        union: int = 0,
    ) -> None:
        """Add an operator; options: field number -> (struct code, number)."""
        table = Table(
            {
                schema.Operator.OPCODE_INDEX: ("I", self._code(name)),
                schema.Operator.INPUTS: np.array(inputs, "<i4"),
                schema.Operator.OUTPUTS: np.array(outputs, "<i4"),
            }
        )
        if options is not None:
            table.fields[schema.Operator.OPTIONS_TYPE] = ("B", union)
            table.fields[schema.Operator.OPTIONS] = Table(dict(options))
        self.operators.append(table)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int], *, subgraphs: int = 1, version: int = 3) -> bytes:
        """Return the file."""
        subgraph = Table(
            {
                schema.SubGraph.TENSORS: self.tensors,
                schema.SubGraph.INPUTS: np.array(inputs, "<i4"),
                schema.SubGraph.OUTPUTS: np.array(outputs, "<i4"),
                schema.SubGraph.OPERATORS: self.operators,
            }
        )
        model = Table(
            {
                schema.Model.VERSION: ("I", version),
                schema.Model.OPERATOR_CODES: self.codes,
                schema.Model.SUBGRAPHS: [subgraph] * subgraphs,
                schema.Model.BUFFERS: self.buffers,
            }
        )
        return write_flatbuffer(model, schema.IDENTIFIER)

    def _buffer(self, data: np.ndarray | None) -> int:
        if data is None:
            return 0
        little = np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<"))
        self.buffers.append(Table({schema.Buffer.DATA: little.reshape(-1).view(np.uint8)}))
        return len(self.buffers) - 1

    def _code(self, name: str) -> int:
        if name not in self._code_of:
            number = schema.BUILTIN_OPERATORS.index(name)
            self._code_of[name] = len(self.codes)
            self.codes.append(
                Table(
                    {
                        schema.OperatorCode.DEPRECATED_BUILTIN_CODE: ("b", min(number, 127)),
                        schema.OperatorCode.BUILTIN_CODE: ("i", number),
                        2: ("i", 1),
                    }
                )
            )
        return self._code_of[name]


def conv_options(
    *, stride: tuple[int, int] = (1, 1), padding: int = 0, activation: str = "none", dilation: tuple[int, int] = (1, 1)
) -> dict[str, Any]:
    """Return the keyword arguments of a CONV_2D operator."""
    o = schema.Conv2DOptions
    options = {
        o.PADDING: ("b", padding),
        o.STRIDE_H: ("i", stride[0]),
        o.STRIDE_W: ("i", stride[1]),
        o.ACTIVATION: ("b", ACTIVATION_NUMBERS[activation]),
        o.DILATION_H: ("i", dilation[0]),
        o.DILATION_W: ("i", dilation[1]),
    }
    return {"options": options, "union": o.UNION}


def depthwise_options(
    *,
    stride: tuple[int, int] = (1, 1),
    padding: int = 0,
    activation: str = "none",
    dilation: tuple[int, int] = (1, 1),
    multiplier: int = 1,
) -> dict[str, Any]:
    """Return the keyword arguments of a DEPTHWISE_CONV_2D operator."""
    o = schema.DepthwiseConv2DOptions
    options = {
        o.PADDING: ("b", padding),
        o.STRIDE_H: ("i", stride[0]),
        o.STRIDE_W: ("i", stride[1]),
        3: ("i", multiplier),
        o.ACTIVATION: ("b", ACTIVATION_NUMBERS[activation]),
        o.DILATION_H: ("i", dilation[0]),
        o.DILATION_W: ("i", dilation[1]),
    }
    return {"options": options, "union": o.UNION}


def pool_options(
    *, size: tuple[int, int], stride: tuple[int, int] = (1, 1), padding: int = 0, activation: str = "none"
) -> dict[str, Any]:
    """Return the keyword arguments of a pooling operator."""
    o = schema.Pool2DOptions
    options = {
        o.PADDING: ("b", padding),
        o.STRIDE_H: ("i", stride[0]),
        o.STRIDE_W: ("i", stride[1]),
        o.FILTER_H: ("i", size[0]),
        o.FILTER_W: ("i", size[1]),
        o.ACTIVATION: ("b", ACTIVATION_NUMBERS[activation]),
    }
    return {"options": options, "union": o.UNION}


def fully_connected_options(activation: str = "none", *, keep_num_dims: bool = False) -> dict[str, Any]:
    """Return the keyword arguments of a FULLY_CONNECTED operator."""
    o = schema.FullyConnectedOptions
    options = {o.ACTIVATION: ("b", ACTIVATION_NUMBERS[activation]), 2: ("?", keep_num_dims)}
    return {"options": options, "union": o.UNION}


def add_options(activation: str = "none") -> dict[str, Any]:
    """Return the keyword arguments of an ADD operator."""
    o = schema.AddOptions
    return {"options": {o.ACTIVATION: ("b", ACTIVATION_NUMBERS[activation])}, "union": o.UNION}


def softmax_options(beta: float = 1.0) -> dict[str, Any]:
    """Return the keyword arguments of a SOFTMAX operator."""
    return {"options": {schema.SoftmaxOptions.BETA: ("f", beta)}, "union": schema.SoftmaxOptions.UNION}


def mean_options(*, keep_dims: bool) -> dict[str, Any]:
    """Return the keyword arguments of a MEAN operator."""
    return {"options": {schema.ReducerOptions.KEEP_DIMS: ("?", keep_dims)}, "union": schema.ReducerOptions.UNION}


def small_int8_model() -> bytes:
    """Return a model with most operators: conv, depthwise, add, mean, reshape, dense, soft-max."""
    rng = np.random.default_rng(7)
    model = TfliteWriter()

    def weights(name: str, *shape: int, channels: int, axis: int) -> int:
        data = rng.integers(-127, 128, shape, np.int8)
        return model.constant(name, data, scales=list(rng.uniform(0.001, 0.01, channels)), axis=axis)

    def bias(name: str, channels: int) -> int:
        return model.constant(name, rng.integers(-500, 500, channels, np.int32), scales=[0.001], zero_points=[0])

    def activation(name: str, *shape: int, scale: float = 0.05, zero_point: int = -5) -> int:
        return model.tensor(name, shape, "int8", scales=[scale], zero_points=[zero_point])

    x = activation("x", 1, 8, 8, 3)
    a = activation("a", 1, 4, 4, 8)
    b = activation("b", 1, 4, 4, 8, scale=0.04, zero_point=3)
    c = activation("c", 1, 4, 4, 8, scale=0.08)
    m = activation("m", 1, 1, 1, 8)
    flat = activation("flat", 1, 8)
    dense = activation("dense", 1, 5, scale=0.1, zero_point=10)
    y = activation("y", 1, 5, scale=1 / 256, zero_point=-128)
    model.operator(
        "CONV_2D",
        [x, weights("w0", 8, 3, 3, 3, channels=8, axis=0), bias("b0", 8)],
        [a],
        **conv_options(stride=(2, 2), activation="relu"),
    )
    model.operator(
        "DEPTHWISE_CONV_2D",
        [a, weights("w1", 1, 3, 3, 8, channels=8, axis=3), bias("b1", 8)],
        [b],
        **depthwise_options(),
    )
    model.operator("ADD", [a, b], [c], **add_options())
    axes = model.constant("axes", np.array([1, 2], np.int32))
    model.operator("MEAN", [c, axes], [m], **mean_options(keep_dims=True))
    model.operator("RESHAPE", [m, model.constant("shape", np.array([1, -1], np.int32))], [flat])
    model.operator(
        "FULLY_CONNECTED",
        [flat, weights("w2", 5, 8, channels=1, axis=0), bias("b2", 5)],
        [dense],
        **fully_connected_options(),
    )
    model.operator("SOFTMAX", [dense], [y], **softmax_options())
    return model.finish([x], [y])
