"""Operators that run other subgraphs, and those that read and write resource variables.

The converter makes straight-line code, so a subgraph is read in place of the operator that runs it: CALL once, IF one
of two, WHILE as often as its condition holds. That works where the condition is known at conversion: it may depend on
constants and on how often the loop has run, not on what the model is given.

A resource variable becomes a state. CALL_ONCE gives it its first contents, which must be constant too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops import Operator
from edge_sdk.compiler.ops.op import require
from edge_sdk.errors import ModelError

if TYPE_CHECKING:
    from edge_sdk.compiler.importers.tflite.importer import SubgraphReader

#: Subgraphs that run one another; deeper ones run themselves.
MAX_DEPTH = 16
ADVICE = "export the model with unroll=True, or run it with --engine litert"

#: Counters and conditions of loops: they are worked out here, whether or not there are kernels for them.
ARITHMETIC: dict[str, np.ufunc] = {
    "ADD": np.add,
    "EQUAL": np.equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_NOT": np.logical_not,
    "LOGICAL_OR": np.logical_or,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "MUL": np.multiply,
    "NOT_EQUAL": np.not_equal,
    "SUB": np.subtract,
}
#: Types of what it works on.
COUNTING = frozenset({"bool", "int32", "int64"})


def worked_out(node: Node) -> NDArray[Any] | None:
    """Return the result of a little arithmetic on constant integers, or None where that is not what the node is."""
    function = ARITHMETIC.get(node.origin)
    arrays = [value.data for value in node.inputs if value is not None and value.data is not None]
    if function is None or len(node.outputs) != 1 or len(arrays) != len(node.inputs) or len(arrays) != function.nin:
        return None
    output = node.output
    kinds = {array.dtype.name for array in arrays} | {output.dtype}
    if not kinds <= COUNTING:
        return None
    try:
        result = np.asarray(function(*arrays))
    except ValueError:  # shapes that do not broadcast: the operator's own check says so
        return None
    return result if result.shape == output.shape and result.dtype.name == output.dtype else None


def call(reader: SubgraphReader, operator: Operator) -> list[Value]:
    """CALL."""
    number = operator.number(schema.CallOptions.UNION, schema.CallOptions.SUBGRAPH, "I", 0)
    return reader.run(number, _all(operator.inputs))


def conditional(reader: SubgraphReader, operator: Operator) -> list[Value]:
    """IF: the first input chooses between two subgraphs, which take the others."""
    options = schema.IfOptions
    given = _all(operator.inputs)
    require(len(given) >= 1, "no condition")
    condition, *arguments = given
    slot = options.THEN_SUBGRAPH if _holds(condition) else options.ELSE_SUBGRAPH
    return reader.run(operator.number(options.UNION, slot, "i", 0), arguments)


def loop(reader: SubgraphReader, operator: Operator) -> list[Value]:
    """WHILE: the condition and the body take the same values; the body makes the next ones."""
    options = schema.WhileOptions
    condition = operator.number(options.UNION, options.COND_SUBGRAPH, "i", 0)
    body = operator.number(options.UNION, options.BODY_SUBGRAPH, "i", 0)
    carried = _all(operator.inputs)
    while _holds(_only(reader.run(condition, carried))):
        results = reader.run(body, carried)
        require(len(results) == len(carried), f"a body that makes {len(results)} of {len(carried)} values")
        carried = results
    return carried


def call_once(reader: SubgraphReader, operator: Operator) -> list[Value]:
    """CALL_ONCE: what it assigns is there before the first run."""
    number = operator.number(schema.CallOnceOptions.UNION, schema.CallOnceOptions.INIT_SUBGRAPH, "i", 0)
    reader.shared.initialise(lambda: reader.run(number, []))
    return []


def handle(reader: SubgraphReader, operator: Operator) -> list[Value]:
    """VAR_HANDLE: names a variable."""
    options = schema.VarHandleOptions
    require(operator.options_type in (0, options.UNION), f"options of kind {operator.options_type}")
    texts = [operator.options.string(slot) if operator.options else "" for slot in (options.CONTAINER, options.NAME)]
    reader.shared.resources.handles[operator.output()] = (texts[0], texts[1])
    return operator.outputs


def read_variable(reader: SubgraphReader, operator: Operator) -> list[Value]:
    """READ_VARIABLE: a copy, for the variable may change before its reader runs."""
    output = operator.output()
    state = reader.shared.resources.state(operator.input(0), output, reads=True)
    reader.shared.nodes.append(Node("assign", output.name, [state], [output], None, "READ_VARIABLE"))
    return operator.outputs


def assign_variable(reader: SubgraphReader, operator: Operator) -> list[Value]:
    """ASSIGN_VARIABLE."""
    value = operator.input(1)
    state = reader.shared.resources.state(operator.input(0), value, reads=False)
    reader.shared.nodes.append(Node("assign", state.name, [value], [state], None, "ASSIGN_VARIABLE"))
    return []


class Resources:
    """The variables that handles name.

    Attributes:
        handles: value of a handle -> (container, name).
        first: state -> what it holds before the first run.
    """

    def __init__(self, states: dict[Value, NDArray[Any]], make: Callable[[Value], NDArray[Any]]) -> None:
        self.handles: dict[Value, tuple[str, str]] = {}
        self._states = states
        self._make = make
        self._by_name: dict[tuple[str, str], Value] = {}
        self._set: set[Value] = set()

    def state(self, handle: Value, like: Value, *, reads: bool) -> Value:
        """Return the state of a variable whose contents look like `like`.

        Raises:
            ModelError: it is no handle, or the variable looks otherwise, or is read before anything was assigned.
        """
        require(handle in self.handles, f"variable {handle.name!r}, whose handle is computed")
        key = self.handles[handle]
        name = "/".join(part for part in key if part)
        if key not in self._by_name:
            state = Value(name, like.dtype, like.shape, like.quantization)
            self._states[state] = self._make(state)
            self._by_name[key] = state
        state = self._by_name[key]
        same = state.dtype == like.dtype and state.shape == like.shape
        require(same, f"variable {name!r} is {state}, but {like.name!r} is {like}")
        require(state in self._set or not reads, f"variable {name!r} is read before anything was assigned to it")
        self._set.add(state)
        return state


def _all(values: list[Value | None]) -> list[Value]:
    present = [value for value in values if value is not None]
    require(len(present) == len(values), "an input is missing")
    return present


def _only(values: list[Value]) -> Value:
    require(len(values) == 1, f"a condition of {len(values)} values")
    return values[0]


def _holds(condition: Value) -> bool:
    if condition.data is None:
        raise ModelError(f"depends on what the model is given; {ADVICE}")
    require(condition.dtype == "bool" and condition.elements == 1, f"a condition that is {condition}")
    return bool(condition.data.reshape(-1)[0])


#: Schema word -> function that reads the operator and returns the values it makes.
CONTROL: dict[str, Callable[[SubgraphReader, Operator], list[Value]]] = {
    "ASSIGN_VARIABLE": assign_variable,
    "CALL": call,
    "CALL_ONCE": call_once,
    "IF": conditional,
    "READ_VARIABLE": read_variable,
    "VAR_HANDLE": handle,
    "WHILE": loop,
}
