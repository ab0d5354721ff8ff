"""A .tflite file becomes a Graph.

Damage is an error at once. An operator that cannot be translated becomes a node with `Unknown` attributes, so that
one message can list all of them, and one that no output needs does not matter.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Graph, Node, Quantization, Unknown, Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.flatbuffer import FlatBuffer, Table
from edge_sdk.compiler.importers.tflite.ops import KEEP_STATE, MAX_RANK, OPERATORS, Operator
from edge_sdk.compiler.importers.tflite.ops.refused import refusal
from edge_sdk.compiler.passes.fold_constants import folded
from edge_sdk.errors import ModelError

# Bounds on lists: a small damaged file must not make us build a large graph.
MAX_TENSORS = 1 << 17
MAX_OPERATORS = 1 << 15
MAX_OPERANDS = 4096
#: In all operators together: each of them may name the same list.
MAX_ALL_OPERANDS = 1 << 18
MAX_ELEMENTS = 1 << 32
#: Of all variables together: what they hold at first becomes part of the module.
MAX_STATE_BYTES = 1 << 28
#: Options of one custom operator; the rest is cut off, and they are damaged then.
MAX_CUSTOM_BYTES = 1 << 16
#: Elements of integers that are worked out while reading: shapes have no more.
MAX_WORKED_OUT = 64
#: Types whose constants are read as arrays.
ARRAY_TYPES = frozenset({"float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"})


def import_model(data: bytes, name: str) -> Graph:
    """Return the graph of a .tflite file.

    Raises:
        ModelError: the file is damaged, of another version, or has several subgraphs.
    """
    buffer = FlatBuffer(data, name)
    model = buffer.root(schema.IDENTIFIER)
    version = model.number(schema.Model.VERSION, "I", 0)
    if version != schema.VERSION:
        raise ModelError(f"{name}: schema version {version}, expected {schema.VERSION}")
    subgraphs = model.tables(schema.Model.SUBGRAPHS, MAX_OPERATORS)
    if len(subgraphs) != 1:
        raise ModelError(f"{name}: {len(subgraphs)} subgraphs, expected 1 (control flow is not supported)")
    return _SubgraphReader(buffer, model, subgraphs[0]).graph()


class _SubgraphReader:
    """Reads one subgraph; tensors become values when an operator first names them."""

    def __init__(self, buffer: FlatBuffer, model: Table, subgraph: Table) -> None:
        self.buffer = buffer
        self.subgraph = subgraph
        self.codes = model.tables(schema.Model.OPERATOR_CODES, MAX_OPERATORS)
        self.buffers = model.tables(schema.Model.BUFFERS, 2 * MAX_TENSORS)
        self.tensors = subgraph.tables(schema.SubGraph.TENSORS, MAX_TENSORS)
        self.values: dict[int, Value] = {}
        self.states: dict[Value, NDArray[Any]] = {}
        self.ready: set[Value] = set()
        #: Tensors whose size is not known, or too large, and why; the nodes that touch them are refused.
        self.unsized: dict[Value, str] = {}
        self.operands = 0

    def graph(self) -> Graph:
        inputs = [self._value(index) for index in self._indices(self.subgraph, schema.SubGraph.INPUTS)]
        outputs = [self._value(index) for index in self._indices(self.subgraph, schema.SubGraph.OUTPUTS)]
        if not inputs or not outputs:
            raise ModelError(f"{self.buffer.name}: a model with {len(inputs)} inputs and {len(outputs)} outputs")
        for value in inputs:
            if value.is_constant or value in self.ready or value in self.states:
                raise self.buffer.damaged(f"input {value.name!r} is constant, a variable or stands there twice")
            self.ready.add(value)
        graph = Graph(self.buffer.name, inputs, outputs, states=self.states)
        for index, table in enumerate(self.subgraph.tables(schema.SubGraph.OPERATORS, MAX_OPERATORS)):
            graph.nodes.append(self._node(index, table))
        for value in outputs:
            self._require_ready(value, "output")
        self._require_sizes(graph)
        return graph

    def _require_sizes(self, graph: Graph) -> None:
        """Of a border tensor without a size some node must speak; else it would be forgotten."""
        touched = {value for node in graph.nodes for value in (*node.inputs, *node.outputs)}
        for value in graph.inputs + graph.outputs:
            if value in self.unsized and value not in touched:
                raise ModelError(
                    f"{self.buffer.name}: {self.unsized[value]}", hint="convert the model again with fixed input shapes"
                )

    def _node(self, index: int, table: Table) -> Node:
        origin = self._operator_name(table)
        inputs = [
            None if number == -1 else self._value(number) for number in self._indices(table, schema.Operator.INPUTS)
        ]
        outputs = [self._value(number) for number in self._indices(table, schema.Operator.OUTPUTS)]
        self.operands += len(inputs) + len(outputs)
        if self.operands > MAX_ALL_OPERANDS:
            raise self.buffer.damaged(f"operators with more than {MAX_ALL_OPERANDS} inputs and outputs")
        name = outputs[0].name if outputs else f"{origin} {index}"
        for value in inputs:
            if value is not None:
                self._require_ready(value, f"input of {origin} {name!r}")
        for value in outputs:
            if value.is_constant or value in self.ready or value in self.states:
                raise self.buffer.damaged(f"{origin} {name!r} writes {value.name!r}, which has its contents already")
            self.ready.add(value)
        try:
            op, inputs, attributes = self._translate(origin, table, inputs, outputs)
        except ModelError as reason:
            op, attributes = origin, Unknown(reason.message)
        states = [value for value in inputs if value in self.states]
        outputs += [value for value in states if value is not None]
        node = Node(op, name, inputs, outputs, attributes, origin)
        self._work_out(node)
        return node

    def _work_out(self, node: Node) -> None:
        """Compute shapes and other small integers at once: operators that follow may take them for their options."""
        if all(value.dtype in ("int32", "int64") and value.elements <= MAX_WORKED_OUT for value in node.outputs):
            for value, data in zip(node.outputs, folded(node) or (), strict=False):
                value.data = data

    def _translate(
        self, origin: str, table: Table, inputs: list[Value | None], outputs: list[Value]
    ) -> tuple[str, list[Value | None], Any]:
        if origin not in OPERATORS:
            raise ModelError(refusal(origin))
        for value in (*inputs, *outputs):
            if value in self.unsized:
                raise ModelError(self.unsized[value])
        if origin not in KEEP_STATE and any(value in self.states for value in inputs):
            raise ModelError("keeps state between calls in a variable tensor")
        options = table.table(schema.Operator.OPTIONS)
        kind = table.number(schema.Operator.OPTIONS_TYPE, "B", 0)
        custom = table.numbers(schema.Operator.CUSTOM_OPTIONS, "uint8")
        custom_bytes = b"" if custom is None else custom[:MAX_CUSTOM_BYTES].tobytes()
        intermediates = [self._value(number) for number in self._indices(table, schema.Operator.INTERMEDIATES)]
        return OPERATORS[origin](Operator(inputs, outputs, options, kind, custom_bytes, intermediates))

    def _operator_name(self, table: Table) -> str:
        index = table.number(schema.Operator.OPCODE_INDEX, "I", 0)
        if index >= len(self.codes):
            raise self.buffer.damaged(f"operator code {index} of {len(self.codes)}")
        code = self.codes[index]
        old = code.number(schema.OperatorCode.DEPRECATED_BUILTIN_CODE, "b", 0)
        name = schema.operator_name(max(old, code.number(schema.OperatorCode.BUILTIN_CODE, "i", 0)))
        if name == schema.CUSTOM:
            return schema.custom_operator(code.string(schema.OperatorCode.CUSTOM_CODE))
        return name

    def _indices(self, table: Table, slot: int) -> list[int]:
        indices = table.integers(slot, MAX_OPERANDS)
        for index in indices:
            if not -1 <= index < len(self.tensors):
                raise self.buffer.damaged(f"tensor {index} of {len(self.tensors)}")
        return indices

    def _require_ready(self, value: Value, role: str) -> None:
        if not value.is_constant and all(value not in known for known in (self.ready, self.states, self.unsized)):
            raise self.buffer.damaged(f"{role}: tensor {value.name!r} is used before it is computed")

    def _value(self, index: int) -> Value:
        if index < 0:
            raise self.buffer.damaged(f"tensor {index} where one is required")
        if index not in self.values:
            table = self.tensors[index]
            value = self._read_tensor(table, index)
            self.values[index] = value
            if table.number(schema.Tensor.IS_VARIABLE, "?", False) and value not in self.unsized:
                self.states[value] = self._first_contents(value)
        return self.values[index]

    def _first_contents(self, value: Value) -> NDArray[Any]:
        """Zeros, or for int8 what stands for zero."""
        if value.dtype not in ARRAY_TYPES or value.is_constant:
            raise self.buffer.damaged(f"variable {value.name!r} is {value.dtype} or has contents")
        if value.size_bytes + sum(state.nbytes for state in self.states.values()) > MAX_STATE_BYTES:
            raise ModelError(f"{self.buffer.name}: its variables take more than {MAX_STATE_BYTES:,} bytes")
        zero = value.quantization.zero_points[:1] if value.quantization is not None and value.dtype == "int8" else 0
        return np.full(value.shape, zero, value.dtype)

    def _read_tensor(self, table: Table, index: int) -> Value:
        name = table.string(schema.Tensor.NAME) or f"tensor {index}"
        shape = tuple(table.integers(schema.Tensor.SHAPE, MAX_RANK))
        number = table.number(schema.Tensor.TYPE, "b", 0)
        if number not in schema.TENSOR_TYPES:
            raise self.buffer.damaged(f"tensor {name!r} has type {number}")
        dtype = schema.TENSOR_TYPES[number]
        if table.table(schema.Tensor.SPARSITY) is not None:
            dtype = f"sparse {dtype}"
        if any(size < 1 for size in shape) or prod(shape) > MAX_ELEMENTS:
            value = Value(name, dtype, shape, self._quantization(table, name))
            self.unsized[value] = f"tensor {name!r} has shape {list(shape)}; every size must be known and positive"
            return value
        data = self._constant(table, name, dtype, shape)
        return Value(name, dtype, shape, self._quantization(table, name), data)

    def _constant(self, table: Table, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
        index = table.number(schema.Tensor.BUFFER, "I", 0)
        if index >= len(self.buffers):
            raise self.buffer.damaged(f"tensor {name!r} has buffer {index} of {len(self.buffers)}")
        if table.number(schema.Tensor.EXTERNAL_BUFFER, "I", 0):
            raise ModelError(f"{self.buffer.name}: tensor {name!r} keeps its contents in another file")
        raw = self._buffer_bytes(self.buffers[index])
        if raw.size == 0:
            return None
        if dtype not in ARRAY_TYPES:
            return raw  # no op takes it; the node that uses it is refused with the type's name
        kind = np.dtype(dtype).newbyteorder("<")
        if raw.size != prod(shape) * kind.itemsize:
            raise self.buffer.damaged(f"tensor {name!r} is {dtype}{list(shape)} but has {raw.size} bytes of contents")
        contents: NDArray[Any] = raw.view(kind).reshape(shape)
        return contents

    def _buffer_bytes(self, table: Table) -> NDArray[np.uint8]:
        offset = table.number(schema.Buffer.OFFSET, "Q", 0)
        if offset > 1:
            size = table.number(schema.Buffer.SIZE, "Q", 0)
            if offset + size > len(self.buffer.data):
                raise self.buffer.damaged(f"a buffer of {size} bytes at byte {offset}")
            return np.frombuffer(self.buffer.data, np.uint8, size, offset)
        raw = table.numbers(schema.Buffer.DATA, "uint8")
        return np.zeros(0, np.uint8) if raw is None else raw

    def _quantization(self, table: Table, name: str) -> Quantization | None:
        parameters = table.table(schema.Tensor.QUANTIZATION)
        if parameters is None:
            return None
        scales = parameters.numbers(schema.QuantizationParameters.SCALE, "float32")
        if scales is None or scales.size == 0:
            return None
        zero_points = parameters.numbers(schema.QuantizationParameters.ZERO_POINT, "int64")
        if zero_points is None or zero_points.size == 0:
            zero_points = np.broadcast_to(np.int64(0), scales.shape)  # takes no memory, however many scales
        if zero_points.size not in (1, scales.size):
            raise self.buffer.damaged(f"tensor {name!r} has {scales.size} scales and {zero_points.size} zero points")
        axis = parameters.number(schema.QuantizationParameters.QUANTIZED_DIMENSION, "i", 0)
        return Quantization(scales, zero_points, axis)
