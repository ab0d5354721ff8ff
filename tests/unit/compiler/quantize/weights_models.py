"""A small float model whose layers have enough weights to be worth narrowing."""

from __future__ import annotations

import numpy as np

from edge_sdk.compiler.graph import Graph
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.passes import simplify
from tests.unit.compiler.tflite_writer import (
    TfliteWriter,
    conv_options,
    depthwise_options,
    fully_connected_options,
)

SHAPE = (1, 4, 4, 128)


def heavy_float_model(largest: float = 1.0) -> bytes:
    """Return depthwise, conv, dense with 1024 weights or more each, and a dense layer with fewer.

    largest: one weight of the first dense layer.
    """
    rng = np.random.default_rng(5)
    model = TfliteWriter()

    def constant(name: str, *shape: int) -> int:
        return model.constant(name, rng.normal(0, 0.1, shape).astype(np.float32))

    x, a = model.tensor("x", SHAPE, "float32"), model.tensor("a", SHAPE, "float32")
    b = model.tensor("b", (1, 4, 4, 16), "float32")
    flat, dense, y = (model.tensor(name, (1, size), "float32") for name, size in (("f", 256), ("d", 8), ("y", 4)))
    model.operator(
        "DEPTHWISE_CONV_2D", [x, constant("w0", 1, 3, 3, 128), constant("b0", 128)], [a], **depthwise_options()
    )
    model.operator("CONV_2D", [a, constant("w1", 16, 3, 3, 128), constant("b1", 16)], [b], **conv_options())
    model.operator("RESHAPE", [b, model.constant("shape", np.array([1, -1], np.int32))], [flat])
    weights = rng.normal(0, 0.1, (8, 256)).astype(np.float32)
    weights[3, 5] = largest
    model.operator(
        "FULLY_CONNECTED",
        [flat, model.constant("w2", weights), constant("b2", 8)],
        [dense],
        **fully_connected_options(),
    )
    model.operator(
        "FULLY_CONNECTED", [dense, constant("w3", 4, 8), constant("b3", 4)], [y], **fully_connected_options()
    )
    return model.finish([x], [y])


def heavy_float_graph(largest: float = 1.0) -> Graph:
    """Return its graph after the float passes."""
    graph = import_model(heavy_float_model(largest), "heavy")
    simplify(graph)
    return graph


def heavy_samples(count: int) -> np.ndarray:
    """Return inputs of the model, [count, *SHAPE]."""
    return np.random.default_rng(6).normal(0, 1, (count, *SHAPE)).astype(np.float32)
