"""Every row of OPS keeps the contract of `Op`, and computes what LiteRT's reference kernels compute.

The oracle runs in a process of its own, on the same random models; integer results must be equal to the bit.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.util import find_spec
from itertools import takewhile

import pytest

from edge_sdk import abi
from edge_sdk.compiler.codegen.slices import slice_rows
from edge_sdk.compiler.convert import convert
from edge_sdk.compiler.graph import Graph, Node
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.importers.tflite.ops import OPERATORS
from edge_sdk.compiler.ops import OPS, op_named
from edge_sdk.compiler.ops.op import Op
from edge_sdk.compiler.passes import PASSES
from edge_sdk.compiler.passes.check_nodes import check_nodes
from edge_sdk.errors import ModelError
from tests.conformance.cases import CASES, op_of
from tests.conformance.engines import ENGINES, compiling_here, run
from tests.conformance.judge import Truth
from tests.conformance.models import models_of_all_ops, single_op_model
from tests.real.oracle import Oracle
from tests.support import skip_loudly

SEEDS = range(20)
#: Filled in when memory is laid out.
LATER = {"version", "node", "packed", "packed_bytes", "scratch", "scratch_bytes", "begin", "end"}
ROWS = [(case, dtype) for case, row in CASES.items() for dtype in row.dtypes]
DTYPES = sorted({dtype for _, dtype in ROWS})


def nodes_of(case: str, dtype: str) -> list[tuple[Graph, Node]]:
    """Return a few models as they come to `check_nodes`, each with its last node: the operator of the case."""
    found = []
    for seed in SEEDS:
        graph = import_model(single_op_model(case, dtype, seed).data, "case")
        node = graph.nodes[-1]
        for graph_pass in takewhile(lambda graph_pass: graph_pass is not check_nodes, PASSES):
            graph_pass(graph)
        if node not in graph.nodes:
            graph.nodes.append(node)  # it was folded
        found.append((graph, node))
    return found


def test_every_op_has_cases() -> None:
    assert {op_of(case) for case in CASES} == set(OPS)


def test_every_operator_that_is_read_has_cases() -> None:
    written = {node.origin for case, dtype in ROWS for _, node in nodes_of(case, dtype)}
    assert set(OPERATORS) - written == set()


@pytest.mark.parametrize("op", OPS)
def test_a_row_names_an_op(op: str) -> None:
    assert isinstance(op_named(op), Op)


@pytest.mark.parametrize(("case", "dtype"), ROWS)
def test_a_use_of_the_op_passes_its_check(case: str, dtype: str) -> None:
    for graph, node in nodes_of(case, dtype):
        assert node.op == op_of(case)
        check_nodes(graph)


@pytest.mark.parametrize(("case", "dtype"), ROWS)
def test_lowering_fills_every_field_of_a_descriptor(case: str, dtype: str) -> None:
    op = op_named(op_of(case))
    if op.is_alias:
        return
    for _, node in nodes_of(case, dtype):
        for call in op.lower(node):
            kernel = abi.KERNELS[call.kernel]
            tensors = {*call.reads, *call.writes, *call.constants}
            assert tensors | set(call.numbers) <= set(kernel.fields) - LATER
            assert not tensors & set(call.numbers)
            words = kernel.unpack(kernel.pack(**call.numbers))
            assert {name: words[name] for name in call.numbers} == pytest.approx(call.numbers)
            assert slice_rows(kernel, call.numbers, node.name)
            for field in call.in_place:
                assert call.reads[field].size_bytes == next(iter(call.writes.values())).size_bytes


@pytest.mark.parametrize(("case", "dtype"), ROWS)
def test_an_output_of_another_shape_is_refused_by_node_name(case: str, dtype: str) -> None:
    for graph, node in nodes_of(case, dtype)[:5]:
        *outer, last = node.output.shape or (1,)
        node.output.shape = (*outer, last + 1)
        with pytest.raises(ModelError, match=re.escape(node.name)):
            check_nodes(graph)


@pytest.mark.parametrize(("case", "dtype"), [row for row in ROWS if CASES[row[0]].dtype_matters])
def test_tensors_of_a_foreign_dtype_are_refused(case: str, dtype: str) -> None:
    graph, node = nodes_of(case, dtype)[0]
    node.output.dtype = "complex64"
    with pytest.raises(ModelError, match="complex64"):
        check_nodes(graph)


@pytest.mark.parametrize("case", [case for case, row in CASES.items() if "int8" in row.dtypes and row.scale_matters])
def test_int8_without_a_scale_is_refused(case: str) -> None:
    graph, node = nodes_of(case, "int8")[0]
    for value in (node.inputs[0], node.output):
        assert value is not None
        value.quantization = None
    with pytest.raises(ModelError, match="no scale"):
        check_nodes(graph)


def test_int8_weights_of_a_convolution_with_a_zero_point_are_refused() -> None:
    graph, node = nodes_of("conv2d", "int8")[0]
    weights = node.inputs[1]
    assert weights is not None
    assert weights.quantization is not None
    weights.quantization = replace(weights.quantization, zero_points=weights.quantization.zero_points + 3)
    with pytest.raises(ModelError, match="zero point other than 0"):
        check_nodes(graph)


@pytest.mark.parametrize("op", ["conv2d", "depthwise_conv2d", "fully_connected"])
def test_weights_of_a_type_that_the_activations_cannot_meet_are_refused(op: str) -> None:
    for activations, weights in (("float32", "int4"), ("float32", "int16"), ("int8", "int4")):
        graph, node = nodes_of(op, activations)[0]
        value = node.inputs[1]
        assert value is not None
        value.dtype = weights
        with pytest.raises(ModelError, match=f"{weights} weights"):
            check_nodes(graph)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_are_those_of_the_reference_kernels(dtype: str, seed: int) -> None:
    if find_spec("ai_edge_litert") is None:
        skip_loudly("ai-edge-litert is not installed: pip install 'edge-sdk[test]'")
    with Oracle() as oracle, compiling_here():
        for generated in models_of_all_ops(dtype, seed, uses=4):
            module = convert(generated.data, name="all").module
            calls = generated.draw(100 + seed)
            truth = Truth(oracle, generated, calls)
            for engine in ENGINES:
                assert not truth.mistakes(run(module, engine, calls)), engine
