"""Subgraphs and resource variables: what can be read, and why the rest cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_sdk.compiler.graph import Graph, Unknown
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.control import ADVICE
from edge_sdk.compiler.passes import run_passes
from edge_sdk.errors import ModelError
from tests.unit.compiler.tflite_writer import TfliteWriter, add_options, options, softmax_options


class Looping:
    """A model of x whose only operator runs two further subgraphs, numbers 1 and 2."""

    def __init__(self) -> None:
        self.writer = TfliteWriter()
        self.x = self.writer.tensor("x", (1,), "float32")
        self.y = self.writer.tensor("y", (1,), "float32")
        self.first, self.second = self.writer.subgraph(), self.writer.subgraph()

    def end(self, operator: str, inputs: list[int], outputs: list[int], **arguments: Any) -> Graph:
        self.writer.operator(operator, inputs, outputs, **arguments)
        return import_model(self.writer.finish([self.x], [self.y]), "m")


def while_model(*, most: int = 3, step: int = 1, given: bool = False) -> Graph:
    """y = x doubled while i, which begins at 0 or is given with x, is less than `most`."""
    model = Looping()
    i, x = model.first.tensor("i", (1,), "int32"), model.first.tensor("x", (1,), "float32")
    less = model.first.tensor("less", (1,), "bool")
    model.first.operator("LESS", [i, model.first.constant("n", np.array([most], np.int32))], [less])
    model.first.end([i, x], [less])
    i, x = model.second.tensor("i", (1,), "int32"), model.second.tensor("x", (1,), "float32")
    next_i, doubled = model.second.tensor("i + 1", (1,), "int32"), model.second.tensor("2 x", (1,), "float32")
    model.second.operator("ADD", [i, model.second.constant("1", np.array([step], np.int32))], [next_i], **add_options())
    model.second.operator("ADD", [x, x], [doubled], **add_options())
    model.second.end([i, x], [next_i, doubled])
    writer = model.writer
    start = writer.tensor("start", (1,), "int32") if given else writer.constant("0", np.array([0], np.int32))
    count = writer.tensor("count", (1,), "int32")
    arguments = options(schema.WhileOptions, COND_SUBGRAPH=("i", 1), BODY_SUBGRAPH=("i", 2))
    writer.operator("WHILE", [start, model.x], [count, model.y], **arguments)
    return import_model(writer.finish([model.x, start] if given else [model.x], [model.y]), "m")


def only_reason(graph: Graph) -> str:
    (node,) = graph.nodes
    assert isinstance(node.attributes, Unknown)
    return node.attributes.reason


def test_a_loop_that_counts_becomes_its_body_as_often() -> None:
    graph = while_model(most=3)
    assert [node.op for node in graph.nodes] == ["add"] * 3
    assert graph.outputs == graph.nodes[-1].outputs
    assert graph.nodes[0].inputs == [graph.inputs[0]] * 2


def test_a_loop_that_never_runs_is_its_input() -> None:
    graph = while_model(most=0)
    assert graph.nodes == []
    assert graph.outputs == graph.inputs


def test_a_loop_over_what_the_model_is_given_is_refused_with_advice() -> None:
    graph = while_model(given=True)
    assert only_reason(graph) == f"depends on what the model is given; {ADVICE}"
    with pytest.raises(ModelError, match=r"WHILE x1: depends on what the model is given; export .* --engine litert"):
        run_passes(graph)


def test_a_loop_without_an_end_is_refused() -> None:
    assert "unroll to more than 16384 operators" in only_reason(while_model(step=0))


def test_a_subgraph_that_runs_itself_is_refused() -> None:
    model = Looping()
    x, y = model.first.tensor("x", (1,), "float32"), model.first.tensor("y", (1,), "float32")
    call = options(schema.CallOptions, SUBGRAPH=("I", 1))
    model.first.operator("CALL", [x], [y], **call)
    model.first.end([x], [y])
    graph = model.end("CALL", [model.x], [model.y], **call)
    assert only_reason(graph) == "subgraphs 16 deep in one another"


@pytest.mark.parametrize(("number", "reason"), [(3, "subgraph 3 of 3"), (0, "subgraph 0 of 3")])
def test_a_subgraph_that_is_not_there_is_refused(number: int, reason: str) -> None:
    model = Looping()
    graph = model.end("CALL", [model.x], [model.y], **options(schema.CallOptions, SUBGRAPH=("I", number)))
    assert only_reason(graph) == reason


def test_a_subgraph_takes_as_many_inputs_as_it_has() -> None:
    model = Looping()
    graph = model.end("CALL", [model.x], [model.y], **options(schema.CallOptions, SUBGRAPH=("I", 1)))
    assert only_reason(graph) == "a subgraph of 0 inputs with 1 of them"


@pytest.mark.parametrize("chosen", [True, False])
def test_a_constant_condition_takes_one_branch(*, chosen: bool) -> None:
    model = Looping()
    for writer, operator in ((model.first, "RELU"), (model.second, "RELU6")):
        x, y = writer.tensor("x", (1,), "float32"), writer.tensor("y", (1,), "float32")
        writer.operator(operator, [x], [y])
        writer.end([x], [y])
    condition = model.writer.constant("c", np.array([chosen]))
    arguments = options(schema.IfOptions, THEN_SUBGRAPH=("i", 1), ELSE_SUBGRAPH=("i", 2))
    graph = model.end("IF", [condition, model.x], [model.y], **arguments)
    assert [node.op for node in graph.nodes] == ["relu" if chosen else "relu6"]


def handle(writer: TfliteWriter, name: str = "v") -> int:
    place = writer.tensor(name, (1,), "resource")
    writer.operator("VAR_HANDLE", [], [place], **options(schema.VarHandleOptions, CONTAINER="", NAME=name))
    return place


def initialised(*, computed: bool) -> Graph:
    """A model that reads a variable which CALL_ONCE gave 7, or what a soft-max makes of it."""
    model = Looping()
    value = model.first.constant("seven", np.array([7], np.float32))
    if computed:
        stored, value = value, model.first.tensor("softmax", (1,), "float32")
        model.first.operator("SOFTMAX", [stored], [value], **softmax_options())
    model.first.operator("ASSIGN_VARIABLE", [handle(model.first), value], [])
    model.first.end([], [])
    model.writer.operator("CALL_ONCE", [], [], **options(schema.CallOnceOptions, INIT_SUBGRAPH=("i", 1)))
    return model.end("READ_VARIABLE", [handle(model.writer)], [model.y])


def test_what_call_once_assigns_is_there_before_the_first_run() -> None:
    graph = initialised(computed=False)
    assert [contents.tolist() for contents in graph.states.values()] == [[7.0]]
    assert [node.op for node in graph.nodes] == ["assign"]


def test_an_initialisation_that_cannot_be_computed_is_refused_by_its_operator() -> None:
    graph = initialised(computed=True)
    reasons = [node.attributes.reason for node in graph.nodes if isinstance(node.attributes, Unknown)]
    assert "the initialisation of a variable computes SOFTMAX" in reasons


def test_a_variable_that_is_read_first_is_refused() -> None:
    model = Looping()
    graph = model.end("READ_VARIABLE", [handle(model.writer)], [model.y])
    assert only_reason(graph) == "variable 'v' is read before anything was assigned to it"


def test_a_variable_has_one_shape() -> None:
    model = Looping()
    place, other = handle(model.writer), model.writer.constant("two", np.zeros(2, np.float32))
    model.writer.operator("ASSIGN_VARIABLE", [place, model.x], [])
    model.writer.operator("ASSIGN_VARIABLE", [place, other], [])
    graph = model.end("READ_VARIABLE", [place], [model.y])
    reasons = [node.attributes.reason for node in graph.nodes if isinstance(node.attributes, Unknown)]
    assert reasons == ["variable 'v' is float32[1], but 'two' is float32[2]"]
