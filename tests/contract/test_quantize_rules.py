"""Every operator with an int8 form becomes int8 in random models, and computes there what it computes in float."""

from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.graph import Graph
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.ops import OPS
from edge_sdk.compiler.passes import simplify
from edge_sdk.compiler.quantize.rewrite import rewrite
from edge_sdk.compiler.quantize.rules import RULES
from edge_sdk.quantization.running import open_graph, real_outputs
from tests.conformance.models import models_of_all_ops
from tests.unit.compiler.quantize.float_models import measured

SEEDS = range(3)
#: Of an operator's nodes at the median; of each. One value may stretch the range of 255 steps beyond all the others.
MEDIAN_DB, LEAST_DB = 25.0, 10.0
#: Those that a step of an input near 0 may move by any distance: judged at the median only.
POLES = {"rsqrt"}


def graph_and_samples(data: bytes, draws: list[list[np.ndarray]]) -> tuple[Graph, list[tuple[np.ndarray, ...]]]:
    graph = import_model(data, "m")
    simplify(graph)
    return graph, [tuple(draw) for draw in draws]


@pytest.fixture(scope="module")
def found() -> dict[str, list[float]]:
    """Return for each op how close its int8 nodes came, in decibels of signal over noise, one number a node."""
    decibels: dict[str, list[float]] = {}
    for seed in SEEDS:
        for model in models_of_all_ops("float32", seed, 1):
            graph, given = graph_and_samples(model.data, model.draw(seed))
            made = rewrite(graph, measured(graph, given))
            with open_graph(graph) as before, open_graph(made.graph) as after:
                pairs = list(zip(real_outputs(before, given), real_outputs(after, given), strict=True))
            makers = {value: node for node in graph.nodes for value in node.outputs}
            for index, value in enumerate(graph.outputs):
                if makers.get(value) in made.int8_nodes:
                    wanted, ours = (np.concatenate([p[k][index].reshape(-1) for p in pairs]) for k in (0, 1))
                    noise, signal = float(((ours - wanted) ** 2).sum()), float((wanted.astype(float) ** 2).sum())
                    ratio = 99.0 if noise == 0 else 10 * np.log10(signal / noise) if signal else 0.0
                    decibels.setdefault(makers[value].op, []).append(ratio)
    return decibels


def test_every_row_is_an_op() -> None:
    assert not RULES.keys() - set(OPS)


def test_the_int8_form_of_every_operator_is_close_to_its_float_form(found: dict[str, list[float]]) -> None:
    print({op: [round(value, 1) for value in values] for op, values in sorted(found.items())})
    assert not RULES.keys() - found.keys()
    assert not {op: values for op, values in found.items() if np.median(values) < MEDIAN_DB}
    assert not {op: values for op, values in found.items() if min(values) < LEAST_DB and op not in POLES}
