"""A .tflite file becomes a Graph.

Damage is an error at once. An operator that cannot be translated becomes a node with `Unknown` attributes, so that
one message can list all of them, and one that no output needs does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Graph, Node, Quantization, Unknown, Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.control import CONTROL, COUNTING, MAX_DEPTH, Resources, worked_out
from edge_sdk.compiler.importers.tflite.flatbuffer import FlatBuffer, Table
from edge_sdk.compiler.importers.tflite.ops import KEEP_STATE, MAX_RANK, OPERATORS, Operator
from edge_sdk.compiler.importers.tflite.ops.refused import refusal
from edge_sdk.compiler.ops.op import require
from edge_sdk.compiler.passes.fold_constants import folded
from edge_sdk.errors import ModelError

# Bounds on lists: a small damaged file must not make us build a large graph.
MAX_TENSORS = 1 << 17
MAX_OPERATORS = 1 << 15
#: In all runs of all subgraphs together: about as many kernel calls as a module may have.
MAX_UNROLLED = 1 << 14
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
        ModelError: the file is damaged or of another version.
    """
    buffer = FlatBuffer(data, name)
    model = buffer.root(schema.IDENTIFIER)
    version = model.number(schema.Model.VERSION, "I", 0)
    if version != schema.VERSION:
        raise ModelError(f"{name}: schema version {version}, expected {schema.VERSION}")
    return _Reading(buffer, model).graph()


class _Reading:
    """What the readers of all subgraphs share.

    Attributes:
        nodes: in the order of execution, those of subgraphs where they are run.
    """

    def __init__(self, buffer: FlatBuffer, model: Table) -> None:
        self.buffer = buffer
        self.codes = model.tables(schema.Model.OPERATOR_CODES, MAX_OPERATORS)
        self.buffers = model.tables(schema.Model.BUFFERS, 2 * MAX_TENSORS)
        self.subgraphs = model.tables(schema.Model.SUBGRAPHS, MAX_OPERATORS)
        self._tables: dict[tuple[int, int], list[Table]] = {}
        self.states: dict[Value, NDArray[Any]] = {}
        self.resources = Resources(self.states, self.first_contents)
        self.nodes: list[Node] = []
        self.ready: set[Value] = set()
        #: Tensors whose size is not known, or too large, and why; the nodes that touch them are refused.
        self.unsized: dict[Value, str] = {}
        self.operands = 0
        self.operators = 0
        self.depth = 0
        self._initialises = False
        self._state_bytes = 0

    def graph(self) -> Graph:
        """Read the first subgraph, and every other where it is run."""
        if not self.subgraphs:
            raise self.buffer.damaged("no subgraph")
        reader = SubgraphReader(self, 0)
        inputs = reader.inputs()
        for value in inputs:
            if value.is_constant or value in self.ready or value in self.states:
                raise self.buffer.damaged(f"input {value.name!r} is constant, a variable or stands there twice")
            self.ready.add(value)
        outputs = reader.read()
        if not inputs or not outputs:
            raise ModelError(f"{self.buffer.name}: a model with {len(inputs)} inputs and {len(outputs)} outputs")
        graph = Graph(self.buffer.name, inputs, outputs, self.nodes, self.states)
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

    def tables(self, number: int, slot: int, most: int) -> list[Table]:
        """Return a subgraph's tensors or operators; looked up once, however often it runs."""
        if (number, slot) not in self._tables:
            self._tables[number, slot] = self.subgraphs[number].tables(slot, most)
        return self._tables[number, slot]

    def count(self, operators: int) -> None:
        """Bound what loops unroll to."""
        self.operators += operators
        if self.depth > 0 and self.operators > MAX_UNROLLED:
            raise ModelError(f"{self.buffer.name}: its subgraphs unroll to more than {MAX_UNROLLED} operators")

    def initialise(self, run: Callable[[], object]) -> None:
        """Run what gives states their first contents; all of it must be known now.

        Raises:
            ModelError: it is not.
        """
        require(not self._initialises, "an initialisation within another")
        used = {value for node in self.nodes for value in (*node.inputs, *node.outputs) if value in self.states}
        kept, self.nodes, self._initialises = self.nodes, [], True
        try:
            run()
            for node in self.nodes:
                value = node.inputs[0] if node.op == "assign" else None
                known = value is not None and value.data is not None and node.output in self.states
                require(known, f"the initialisation of a variable computes {node.origin}")
                require(node.output not in used, "an initialisation after its variable was used")
                if value is not None and value.data is not None:
                    self.states[node.output] = value.data.copy()
        finally:
            self.nodes, self._initialises = kept, False

    def first_contents(self, value: Value) -> NDArray[Any]:
        """Zeros, or for int8 what stands for zero."""
        if value.dtype not in ARRAY_TYPES or value.is_constant:
            raise self.buffer.damaged(f"variable {value.name!r} is {value.dtype} or has contents")
        if any(size < 1 for size in value.shape):
            raise self.buffer.damaged(f"variable {value.name!r} has shape {list(value.shape)}")
        self._state_bytes += value.size_bytes
        if self._state_bytes > MAX_STATE_BYTES:
            raise ModelError(f"{self.buffer.name}: its variables take more than {MAX_STATE_BYTES:,} bytes")
        zero = value.quantization.zero_points[:1] if value.quantization is not None and value.dtype == "int8" else 0
        return np.full(value.shape, zero, value.dtype)

    def add(self, node: Node, *, fused: bool) -> None:
        """Append a node, its outputs worked out where that can be done at once; `fused`: it ends with an activation.

        It can be done for shapes and other small integers, which operators that follow may take for their options, and
        must be for whatever initialises a variable. Counters and conditions of loops need no node any more.
        """
        counting = bool(node.outputs) and all(
            value.dtype in COUNTING and value.elements <= MAX_WORKED_OUT and value not in self.states
            for value in node.outputs
        )
        arithmetic = worked_out(node) if counting and not fused else None
        if arithmetic is not None:
            node.output.data = arithmetic
            return
        arrays = folded(node) if counting or self._initialises else None
        for value, data in zip(node.outputs, arrays or (), strict=False):
            value.data = data
        if arrays is None or not self._initialises:
            self.nodes.append(node)


class SubgraphReader:
    """Reads one subgraph; tensors become values when an operator first names them."""

    def __init__(self, shared: _Reading, number: int) -> None:
        self.shared = shared
        self.buffer = shared.buffer
        self.number = number
        self.subgraph = shared.subgraphs[number]
        self.tensors = shared.tables(number, schema.SubGraph.TENSORS, MAX_TENSORS)
        self.values: dict[int, Value] = {}

    def inputs(self) -> list[Value]:
        """Return the subgraph's own inputs."""
        return [self._value(index) for index in self._indices(self.subgraph, schema.SubGraph.INPUTS)]

    def read(self) -> list[Value]:
        """Append the subgraph's nodes and return its outputs."""
        operators = self.shared.tables(self.number, schema.SubGraph.OPERATORS, MAX_OPERATORS)
        self.shared.count(1 + len(operators))
        for index, table in enumerate(operators):
            self._operator(index, table)
        outputs = [self._value(index) for index in self._indices(self.subgraph, schema.SubGraph.OUTPUTS)]
        for value in outputs:
            self._require_ready(value, "output")
        return outputs

    def run(self, number: int, arguments: list[Value]) -> list[Value]:
        """Read another subgraph with these values as its inputs, and return its outputs.

        Raises:
            ModelError: there is no such subgraph, or its inputs are others.
        """
        shared = self.shared
        require(1 <= number < len(shared.subgraphs), f"subgraph {number} of {len(shared.subgraphs)}")
        require(shared.depth < MAX_DEPTH, f"subgraphs {MAX_DEPTH} deep in one another")
        reader = SubgraphReader(shared, number)
        indices = reader._indices(reader.subgraph, schema.SubGraph.INPUTS)
        require(len(indices) == len(arguments), f"a subgraph of {len(indices)} inputs with {len(arguments)} of them")
        reader.values |= zip(indices, arguments, strict=True)
        shared.depth += 1
        try:
            return reader.read()
        finally:
            shared.depth -= 1

    def _operator(self, index: int, table: Table) -> None:
        origin = self._operator_name(table)
        inputs = [
            None if number == -1 else self._value(number) for number in self._indices(table, schema.Operator.INPUTS)
        ]
        places = self._indices(table, schema.Operator.OUTPUTS)
        outputs = [self._value(number) for number in places]
        self.shared.operands += len(inputs) + len(outputs)
        if self.shared.operands > MAX_ALL_OPERANDS:
            raise self.buffer.damaged(f"operators with more than {MAX_ALL_OPERANDS} inputs and outputs")
        name = outputs[0].name if outputs else f"{origin} {index}"
        for value in inputs:
            if value is not None:
                self._require_ready(value, f"input of {origin} {name!r}")
        for value in outputs:
            if value.is_constant or value in self.shared.ready:
                raise self.buffer.damaged(f"{origin} {name!r} writes {value.name!r}, which has its contents already")
        if origin in CONTROL:
            self._control(origin, name, table, inputs, places)
        else:
            self._plain(origin, name, table, inputs, outputs)
        self.shared.ready.update(self.values[number] for number in places if self.values[number] not in self._states)

    @property
    def _states(self) -> dict[Value, NDArray[Any]]:
        return self.shared.states

    def _control(self, origin: str, name: str, table: Table, inputs: list[Value | None], places: list[int]) -> None:
        """Run other subgraphs in place; one that cannot be run becomes an unknown node."""
        outputs = [self.values[number] for number in places]
        count = len(self.shared.nodes)
        try:
            require(not any(value in self._states for value in (*inputs, *outputs)), "a variable tensor")
            results = CONTROL[origin](self, self._described(table, inputs, outputs))
            require(len(results) == len(places), f"makes {len(results)} values, expected {len(places)}")
            require(not any(value in self._states for value in results), "returns a variable itself")
        except ModelError as reason:
            del self.shared.nodes[count:]
            self.shared.nodes.append(Node(origin, name, inputs, outputs, Unknown(reason.message), origin))
            return
        self.values |= zip(places, results, strict=True)

    def _plain(self, origin: str, name: str, table: Table, inputs: list[Value | None], outputs: list[Value]) -> None:
        if origin in KEEP_STATE:
            before, after = inputs, outputs
        else:  # it sees copies of variables, so that no kernel writes what it reads
            before, after = [self._copied(value) for value in inputs], [self._stand_in(value) for value in outputs]
        try:
            op, before, attributes = self._translate(origin, table, before, after)
        except ModelError as reason:
            op, attributes = origin, Unknown(reason.message)
        kept = [value for value in before if value is not None and value in self._states]
        options = table.table(schema.Operator.OPTIONS)
        fused = options is not None and options.number(schema.AddOptions.ACTIVATION, "b", 0) != 0
        self.shared.add(Node(op, name, before, after + kept, attributes, origin), fused=fused)
        for value, stand_in in zip(outputs, after, strict=True):
            if value is not stand_in:
                self.shared.nodes.append(Node("assign", value.name, [stand_in], [value], None, origin))

    def _copied(self, value: Value | None) -> Value | None:
        """Return a variable's contents as they are now, other values as they are."""
        if value is None or value not in self._states:
            return value
        copy = self._stand_in(value)
        self.shared.nodes.append(Node("assign", copy.name, [value], [copy], None, "(variable)"))
        return copy

    def _stand_in(self, value: Value) -> Value:
        """Return a value that looks like a variable, other values as they are."""
        if value not in self._states:
            return value
        return Value(f"{value.name} (copy)", value.dtype, value.shape, value.quantization)

    def _described(self, table: Table, inputs: list[Value | None], outputs: list[Value]) -> Operator:
        options = table.table(schema.Operator.OPTIONS)
        kind = table.number(schema.Operator.OPTIONS_TYPE, "B", 0)
        custom = table.numbers(schema.Operator.CUSTOM_OPTIONS, "uint8")
        custom_bytes = b"" if custom is None else custom[:MAX_CUSTOM_BYTES].tobytes()
        intermediates = [self._value(number) for number in self._indices(table, schema.Operator.INTERMEDIATES)]
        return Operator(inputs, outputs, options, kind, custom_bytes, intermediates)

    def _translate(
        self, origin: str, table: Table, inputs: list[Value | None], outputs: list[Value]
    ) -> tuple[str, list[Value | None], Any]:
        if origin not in OPERATORS:
            raise ModelError(refusal(origin))
        for value in (*inputs, *outputs):
            if value in self.shared.unsized:
                raise ModelError(self.shared.unsized[value])
        return OPERATORS[origin](self._described(table, inputs, outputs))

    def _operator_name(self, table: Table) -> str:
        index = table.number(schema.Operator.OPCODE_INDEX, "I", 0)
        if index >= len(self.shared.codes):
            raise self.buffer.damaged(f"operator code {index} of {len(self.shared.codes)}")
        code = self.shared.codes[index]
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
        shared = self.shared
        known = (shared.ready, shared.states, shared.unsized)
        if not value.is_constant and all(value not in values for values in known):
            raise self.buffer.damaged(f"{role}: tensor {value.name!r} is used before it is computed")

    def _value(self, index: int) -> Value:
        if index < 0:
            raise self.buffer.damaged(f"tensor {index} where one is required")
        if index not in self.values:
            table = self.tensors[index]
            value = self._read_tensor(table, index)
            self.values[index] = value
            if table.number(schema.Tensor.IS_VARIABLE, "?", False) and value not in self.shared.unsized:
                require(self.shared.depth == 0, f"variable tensor {value.name!r} of a subgraph that is run")
                self._states[value] = self.shared.first_contents(value)
        return self.values[index]

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
            self.shared.unsized[value] = (
                f"tensor {name!r} has shape {list(shape)}; every size must be known and positive"
            )
            return value
        data = self._constant(table, name, dtype, shape)
        return Value(name, dtype, shape, self._quantization(table, name), data)

    def _constant(self, table: Table, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
        index = table.number(schema.Tensor.BUFFER, "I", 0)
        if index >= len(self.shared.buffers):
            raise self.buffer.damaged(f"tensor {name!r} has buffer {index} of {len(self.shared.buffers)}")
        if table.number(schema.Tensor.EXTERNAL_BUFFER, "I", 0):
            raise ModelError(f"{self.buffer.name}: tensor {name!r} keeps its contents in another file")
        raw = self._buffer_bytes(self.shared.buffers[index])
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
