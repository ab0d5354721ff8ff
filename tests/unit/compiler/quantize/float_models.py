"""Small float graphs for tests, and running them."""

from __future__ import annotations

import numpy as np

from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.passes import simplify
from edge_sdk.compiler.quantize.calibrate import Range, min_max
from edge_sdk.compiler.quantize.observers import Observer
from edge_sdk.compiler.quantize.rewrite import Measured, observed_values, weighted_inputs
from edge_sdk.quantization.running import MOST_OUTPUTS, open_graph
from tests.unit.compiler.tflite_writer import (
    TfliteWriter,
    add_options,
    conv_options,
    depthwise_options,
    fully_connected_options,
    mean_options,
    softmax_options,
)

SEED = 11


def small_float_model(classes: int = 5) -> bytes:
    """Return a model with most operators: conv, depthwise, add, mean, reshape, dense, soft-max."""
    rng = np.random.default_rng(SEED)
    model = TfliteWriter()

    def constant(name: str, *shape: int) -> int:
        return model.constant(name, rng.normal(0, 0.4, shape).astype(np.float32))

    def tensor(name: str, *shape: int) -> int:
        return model.tensor(name, shape, "float32")

    x, a, b, c = (
        tensor(name, 1, size, size, depth) for name, size, depth in zip("xabc", (8, 4, 4, 4), (3, 8, 8, 8), strict=True)
    )
    m, flat, dense, y = (
        tensor("m", 1, 1, 1, 8),
        tensor("flat", 1, 8),
        tensor("dense", 1, classes),
        tensor("y", 1, classes),
    )
    model.operator(
        "CONV_2D",
        [x, constant("w0", 8, 3, 3, 3), constant("b0", 8)],
        [a],
        **conv_options(stride=(2, 2), activation="relu"),
    )
    model.operator("DEPTHWISE_CONV_2D", [a, constant("w1", 1, 3, 3, 8), constant("b1", 8)], [b], **depthwise_options())
    model.operator("ADD", [a, b], [c], **add_options())
    axes = model.constant("axes", np.array([1, 2], np.int32))
    model.operator("MEAN", [c, axes], [m], **mean_options(keep_dims=True))
    model.operator("RESHAPE", [m, model.constant("shape", np.array([1, -1], np.int32))], [flat])
    model.operator(
        "FULLY_CONNECTED",
        [flat, constant("w2", classes, 8), constant("b2", classes)],
        [dense],
        **fully_connected_options(),
    )
    model.operator("SOFTMAX", [dense], [y], **softmax_options())
    return model.finish([x], [y])


def small_float_graph() -> Graph:
    """Return its graph after the float passes."""
    graph = import_model(small_float_model(), "small")
    simplify(graph)
    return graph


def samples(count: int, *shape: int, seed: int = SEED) -> list[tuple[np.ndarray, ...]]:
    """Return inputs of a shape, uniform in [-1, 1)."""
    rng = np.random.default_rng(seed)
    return [(rng.uniform(-1, 1, shape).astype(np.float32),) for _ in range(count)]


def measured(graph: Graph, given: list[tuple[np.ndarray, ...]]) -> Measured:
    """Return the ranges and means of a graph on samples."""
    values, means = observed_values(graph), weighted_inputs(graph)
    observers = {value: Observer(value.name, with_mean=value in means) for value in values}
    for first in range(0, len(values), MOST_OUTPUTS):
        some = values[first : first + MOST_OUTPUTS]
        with open_graph(graph, some) as model:
            for sample in given:
                for value, array in zip(some, model.run(*sample), strict=True):
                    observers[value].see(array)
    found = {value: observer.statistics() for value, observer in observers.items()}
    return Measured(
        {value: min_max(one) for value, one in found.items()},
        {value: one.mean for value, one in found.items() if one.mean is not None},
    )


def chain(*steps: tuple[str, object, tuple[int, ...]], shape: tuple[int, ...] = (1, 4, 4, 2)) -> Graph:
    """Return a graph of nodes in a row without weights: (op, attributes, output shape) each."""
    x = value = Value("x", "float32", shape)
    nodes = []
    for index, (op, attributes, output) in enumerate(steps):
        result = Value(f"v{index}", "float32", output)
        nodes.append(Node(op, f"n{index}", [value], [result], attributes, op))
        value = result
    return Graph("chain", [x], [value], nodes)


def ranges(graph: Graph, *pairs: tuple[float, float]) -> dict[Value, Range]:
    """Return ranges for the input and then the nodes' outputs, in order."""
    return {value: Range(*pair) for value, pair in zip(observed_values(graph), pairs, strict=True)}
