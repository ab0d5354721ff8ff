"""Writes small .tflite files for tests, with a flatbuffer writer of its own: no model of others is needed.

model = TfliteWriter()
x = model.tensor("x", (1, 4), "int8", scales=[0.5], zero_points=[3])
y = model.tensor("y", (1, 4), "int8", scales=[0.5], zero_points=[3])
model.operator("RELU", [x], [y])
data = model.finish([x], [y])

Options of any operator: `**options(schema.AddOptions, ACTIVATION=("b", 1))`; a value is (struct code, number), an array
(a vector), a text or a Table. Custom operators: `model.operator("TFLite_Something", ..., custom=flexbuffer({...}))`.
Further subgraphs: `body = model.subgraph()`, a writer that shares codes and buffers; then `body.end(inputs, outputs)`.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_sdk.compiler.importers.tflite import schema

SIZES = {"b": 1, "B": 1, "?": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8, "d": 8}
TYPE_NUMBERS = {name: number for number, name in schema.TENSOR_TYPES.items()}
ACTIVATION_NUMBERS = {name: number for number, name in schema.ACTIVATIONS.items()}
#: Field of an operator.
CUSTOM_OPTIONS = 5


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
    """Collects tensors and operators of one subgraph; the one made first is the model."""

    def __init__(self, parent: TfliteWriter | None = None) -> None:
        self.tensors: list[Table] = []
        self.operators: list[Table] = []
        self.codes: list[Table] = parent.codes if parent else []
        self.buffers: list[Table] = parent.buffers if parent else [Table()]
        self._code_of: dict[tuple[str, int], int] = parent._code_of if parent else {}
        self._children: list[TfliteWriter] = parent._children if parent else []
        self._ends: tuple[Sequence[int], Sequence[int]] = ((), ())

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
                    schema.QuantizationParameters.ZERO_POINT: np.array(
                        zero_points if len(zero_points) else [0] * len(scales), "<i8"
                    ),
                    schema.QuantizationParameters.QUANTIZED_DIMENSION: ("i", axis),
                }
            )
        table.fields |= fields or {}
        self.tensors.append(table)
        return len(self.tensors) - 1

    def constant(self, name: str, data: np.ndarray, **quantization: Any) -> int:
        """Add a constant tensor."""
        return self.tensor(name, data.shape, data.dtype.name, data=data, **quantization)

    def variable(self, name: str, shape: Sequence[int], dtype: str, **quantization: Any) -> int:
        """Add a tensor that keeps its contents from one call to the next."""
        fields = {schema.Tensor.IS_VARIABLE: ("?", True)}
        return self.tensor(name, shape, dtype, fields=fields, **quantization)

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: dict[int, Any] | None = None,
        union: int = 0,
        *,
        custom: bytes | None = None,
        version: int = 1,
    ) -> None:
        """Add an operator.

        Args:
            name: the schema's word; with `custom`, the custom operator's own name.
            options: field number -> value, see `options`.
            union: which table the options are.
            custom: the options of a custom operator.
            version: some kernels behave by it.
        """
        table = Table(
            {
                schema.Operator.OPCODE_INDEX: ("I", self._code(name, version, custom is not None)),
                schema.Operator.INPUTS: np.array(inputs, "<i4"),
                schema.Operator.OUTPUTS: np.array(outputs, "<i4"),
            }
        )
        if options is not None:
            table.fields[schema.Operator.OPTIONS_TYPE] = ("B", union)
            table.fields[schema.Operator.OPTIONS] = Table(dict(options))
        if custom is not None:
            table.fields[CUSTOM_OPTIONS] = np.frombuffer(custom, np.uint8)
        self.operators.append(table)

    def subgraph(self) -> TfliteWriter:
        """Return the writer of one more subgraph; the first that is asked for has number 1."""
        child = TfliteWriter(self)
        self._children.append(child)
        return child

    def end(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Say what goes in and out of a subgraph that is not the model itself."""
        self._ends = inputs, outputs

    def finish(self, inputs: Sequence[int], outputs: Sequence[int], *, subgraphs: int = 1, version: int = 3) -> bytes:
        """Return the file; `subgraphs` repeats the first."""
        self.end(inputs, outputs)
        model = Table(
            {
                schema.Model.VERSION: ("I", version),
                schema.Model.OPERATOR_CODES: self.codes,
                schema.Model.SUBGRAPHS: [self._table()] * subgraphs + [child._table() for child in self._children],
                schema.Model.BUFFERS: self.buffers,
            }
        )
        return write_flatbuffer(model, schema.IDENTIFIER)

    def _table(self) -> Table:
        inputs, outputs = self._ends
        return Table(
            {
                schema.SubGraph.TENSORS: self.tensors,
                schema.SubGraph.INPUTS: np.array(inputs, "<i4"),
                schema.SubGraph.OUTPUTS: np.array(outputs, "<i4"),
                schema.SubGraph.OPERATORS: self.operators,
            }
        )

    def _buffer(self, data: np.ndarray | None) -> int:
        if data is None:
            return 0
        little = np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<"))
        self.buffers.append(Table({schema.Buffer.DATA: little.reshape(-1).view(np.uint8)}))
        return len(self.buffers) - 1

    def _code(self, name: str, version: int, custom: bool) -> int:
        if (name, version) not in self._code_of:
            number = schema.BUILTIN_OPERATORS.index(schema.CUSTOM if custom else name)
            self._code_of[name, version] = len(self.codes)
            fields: dict[int, Any] = {
                schema.OperatorCode.DEPRECATED_BUILTIN_CODE: ("b", min(number, 127)),
                schema.OperatorCode.BUILTIN_CODE: ("i", number),
                2: ("i", version),
            }
            if custom:
                fields[schema.OperatorCode.CUSTOM_CODE] = name
            self.codes.append(Table(fields))
        return self._code_of[name, version]


def options(table: Any, **fields: Any) -> dict[str, Any]:
    """Return the keyword arguments of an operator whose options are `table` of the schema.

    Args:
        table: a class of `schema` with UNION and the numbers of its fields.
        fields: name of a field in that class -> (struct code, number), array, text or Table.
    """
    return {"options": {getattr(table, name): value for name, value in fields.items()}, "union": table.UNION}


def flexbuffer(values: dict[str, bool | int | float | str]) -> bytes:
    """Return a map as custom operators store their options (https://flatbuffers.dev/flexbuffers/).

    Everything is eight bytes wide: strings and keys, then the vector of keys, then the map, then its root.
    """
    out = bytearray()
    places: dict[str, int] = {}
    for text in sorted({*values, *(value for value in values.values() if isinstance(value, str))}):
        _align(out, 8)
        out += struct.pack("<Q", len(text.encode()))
        places[text] = len(out)
        out += text.encode() + b"\0"
    _align(out, 8)
    names = sorted(values, key=str.encode)
    out += struct.pack("<Q", len(names))
    keys = len(out)
    for name in names:
        out += struct.pack("<Q", len(out) - places[name])
    out += struct.pack("<QQQ", len(out) - keys, 8, len(names))
    start = len(out)
    types = bytearray()
    for name in names:
        value = values[name]
        if isinstance(value, str):
            out += struct.pack("<Q", len(out) - places[value])
        else:
            out += struct.pack("<d" if isinstance(value, float) else "<q", value)
        types.append(_FLEX_TYPES[type(value)] << 2 | 3)
    out += types
    _align(out, 8)
    return bytes(out + struct.pack("<Q", len(out) - start) + bytes([9 << 2 | 3, 8]))


#: FlexBuffers' own numbers of the types.
_FLEX_TYPES = {int: 1, float: 3, str: 5, bool: 26}


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


def fully_connected_options(
    activation: str = "none", *, keep_num_dims: bool = False, asymmetric: bool = False
) -> dict[str, Any]:
    """Return the keyword arguments of a FULLY_CONNECTED operator."""
    o = schema.FullyConnectedOptions
    options = {
        o.ACTIVATION: ("b", ACTIVATION_NUMBERS[activation]),
        o.KEEP_NUM_DIMS: ("?", keep_num_dims),
        o.ASYMMETRIC: ("?", asymmetric),
    }
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
