"""Subgraphs that other operators run, and variables that live outside the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import Added, Case, Row
from tests.unit.compiler import tflite_writer as tflite

#: As in cases/recurrent.py: state shows in a sequence.
CALLS = 6


def _shape(case: Case) -> tuple[int, ...]:
    return case.size(1, 3), case.choice((1, 7, 16, 33))


def _subgraph(case: Case) -> tuple[tflite.TfliteWriter, int]:
    """Add a subgraph and return its writer and its number."""
    writer = case.model.subgraph()
    return writer, len(case.model._children)


def _adder(case: Case, shape: tuple[int, ...], x_steps: dict[str, Any], y_steps: dict[str, Any]) -> int:
    """Add a subgraph (x, y) -> (x, x + y) and return its number."""
    body, number = _subgraph(case)
    x, y = body.tensor("x", shape, case.dtype, **x_steps), body.tensor("y", shape, case.dtype, **y_steps)
    total = body.tensor("x + y", shape, case.dtype, **y_steps)
    body.operator("ADD", [x, y], [total], **tflite.add_options())
    body.end([x, y], [x, total])
    return number


def _handle(case: Case, writer: tflite.TfliteWriter, name: str) -> int:
    handle = writer.tensor(name, (1,), "resource")
    options = tflite.options(schema.VarHandleOptions, CONTAINER="", NAME=f"{case.name} {name}")
    writer.operator("VAR_HANDLE", [], [handle], **options)
    return handle


def _resource(case: Case) -> Added:
    """A sum that goes on from call to call: read, add, assign, read again."""
    shape, steps = _shape(case), case.steps()
    first, number = _subgraph(case)
    data = np.zeros(shape, case.dtype) if case.dtype == "float32" else np.full(shape, 3, case.dtype)
    contents = first.constant("first", data, **steps)
    first.operator("ASSIGN_VARIABLE", [_handle(case, first, "sum"), contents], [])
    first.end([], [])
    model = case.model
    model.operator("CALL_ONCE", [], [], **tflite.options(schema.CallOnceOptions, INIT_SUBGRAPH=("i", number)))
    x, handle = case.input("x", shape, **case.steps()), _handle(case, model, "sum")
    before, after, y = (case.tensor(role, shape, **steps) for role in ("before", "after", "y"))
    model.operator("READ_VARIABLE", [handle], [before])
    model.operator("ADD", [x, before], [after], **tflite.add_options())
    model.operator("ASSIGN_VARIABLE", [handle, after], [])
    inputs, _ = case.operator("READ_VARIABLE", [handle], [y])
    return [x, *inputs], [y, before]


def _variable(case: Case) -> Added:
    """The same with a variable tensor, which the addition writes: the file has no operator for that."""
    shape, steps = _shape(case), case.steps()
    x, state = case.input("x", shape, **case.steps()), case.variable("sum", shape, **steps)
    before = case.tensor("before", shape, **steps)
    case.model.operator("ADD", [x, state], [before], **tflite.add_options())
    case.operator("ADD", [before, x], [state], **tflite.add_options())
    return [x], [before]


def _while(case: Case) -> Added:
    """x is added n times, and a counter counts to n."""
    shape, x_steps, y_steps = _shape(case), case.steps(), case.steps()
    condition, condition_number = _subgraph(case)
    i, x, y = _carried(case, condition, shape, x_steps, y_steps)
    less, most = condition.tensor("less", (), "bool"), condition.constant("n", np.array(case.size(1, 5), np.int32))
    condition.operator("LESS", [i, most], [less])
    condition.end([i, x, y], [less])
    body, body_number = _subgraph(case)
    i, x, y = _carried(case, body, shape, x_steps, y_steps)
    counted, total = body.tensor("i + 1", (), "int32"), body.tensor("x + y", shape, case.dtype, **y_steps)
    body.operator("ADD", [i, body.constant("one", np.array(1, np.int32))], [counted], **tflite.add_options())
    body.operator("ADD", [x, y], [total], **tflite.add_options())
    body.end([i, x, y], [counted, x, total])
    inputs = [case.input("x", shape, **x_steps), case.input("y", shape, **y_steps)]
    outputs = [
        case.tensor("n", (), "int32"),
        case.tensor("x out", shape, **x_steps),
        case.tensor("z", shape, **y_steps),
    ]
    options = {"COND_SUBGRAPH": ("i", condition_number), "BODY_SUBGRAPH": ("i", body_number)}
    start = case.constant("0", np.array(0, np.int32))
    case.operator("WHILE", [start, *inputs], outputs, **tflite.options(schema.WhileOptions, **options))
    return inputs, outputs[2:]


def _carried(
    case: Case, writer: tflite.TfliteWriter, shape: tuple[int, ...], x: dict[str, Any], y: dict[str, Any]
) -> list[int]:
    return [
        writer.tensor("i", (), "int32"),
        writer.tensor("x", shape, case.dtype, **x),
        writer.tensor("y", shape, case.dtype, **y),
    ]


def _if(case: Case) -> Added:
    shape, x_steps, y_steps = _shape(case), case.steps(), case.steps()
    numbers = [_adder(case, shape, x_steps, y_steps) for _ in range(2)]
    inputs = [case.input("x", shape, **x_steps), case.input("y", shape, **y_steps)]
    outputs = [case.tensor("x out", shape, **x_steps), case.tensor("z", shape, **y_steps)]
    chosen = case.constant("chosen", np.array(case.size(0, 1) == 1))
    options = {"THEN_SUBGRAPH": ("i", numbers[0]), "ELSE_SUBGRAPH": ("i", numbers[1])}
    case.operator("IF", [chosen, *inputs], outputs, **tflite.options(schema.IfOptions, **options))
    return inputs, outputs[1:]


CASES = {
    "add if": Row(_if, ("int8", "float32")),
    "add while": Row(_while, ("int8", "uint8", "float32")),
    "assign resource": Row(_resource, ("int8", "uint8", "float32"), calls=CALLS, scale_matters=False),
    "assign variable": Row(_variable, ("int8", "uint8", "float32"), calls=CALLS, scale_matters=False),
}
