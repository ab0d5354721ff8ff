"""The two engines against each other, layer by layer of the float models: both get the same random inputs.

A sum of products may differ by 1e-6 * sum(abs(x * w)) for each output, anything else by 1e-6 of its range. Whole models
are judged by their outputs elsewhere: there, differences of the layers add up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge_sdk.compiler.graph import Graph, Node
from tests.conformance.case import Draw
from tests.conformance.cases import CASES
from tests.conformance.engines import ENGINES, run
from tests.conformance.graphs import convert_graph, nodes_alone, with_magnitudes
from tests.conformance.judge import ENGINES_APART, mistake, span
from tests.real.oracle import Arrays


@dataclass
class LayersTally:
    """What became of the layers of one model."""

    model: str
    layers: int = 0
    wrong: int = 0
    words: list[str] = field(default_factory=list)


def try_layers(name: str, data: bytes, seed: int) -> LayersTally:
    """Compare every layer with a float output on both engines."""
    rng = np.random.default_rng(seed)
    tally = LayersTally(name)
    for node, graph in nodes_alone(data):
        if all(value.dtype != "float32" for value in graph.outputs):
            continue
        calls = [[Draw().array(rng, value.shape, value.dtype) for value in graph.inputs] for _ in range(2)]
        words = _apart(node, graph, calls)
        tally.layers += 1
        tally.wrong += bool(words)
        tally.words += [f"{node.origin} {node.name[:80]!r}: {line}" for line in words]
    return tally


def _apart(node: Node, graph: Graph, calls: list[Arrays]) -> list[str]:
    limits = None
    if node.op in CASES and CASES[node.op].is_sum:
        positive = [[np.abs(array) for array in call] for call in calls]
        limits = run(convert_graph(with_magnitudes(graph)).module, "host", positive)
    module = convert_graph(graph).module
    host, sandbox = (run(module, engine, calls) for engine in ENGINES)
    found = []
    for index in range(len(host[0])):
        a, b = (np.stack([call[index] for call in each]) for each in (host, sandbox))
        sums = span(a) if limits is None else np.stack([call[index] for call in limits]).astype(np.float64)
        words = mistake(b, a, ENGINES_APART * sums)
        found += [words] if words else []
    return found
