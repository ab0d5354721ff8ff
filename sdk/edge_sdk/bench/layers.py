"""Where a model's time goes: each kernel call of it by itself, in the order and the memory of a run.

    for layer in time_layers(model, seconds=1.0, best=best_rates(model.engine.name)):
        print(layer.op, layer.median_us, layer.gmacs, layer.of_best)

What a layer could reach at best is measured too: the same kernels on a convolution made for them, 1x1, its matrix large
enough to be worth the work and small enough for the first caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

import numpy as np

from edge_sdk.bench.inputs import random_inputs
from edge_sdk.compiler.convert import convert_graph
from edge_sdk.compiler.graph import Graph, Node, Quantization, Value
from edge_sdk.compiler.ops.convolution import ConvolutionAttributes
from edge_sdk.runtime.session import Session, open_session

FEWEST_ROUNDS = 5
#: Pixels, input and output channels of the matrix.
_SIDE, _DEPTH, _CHANNELS = 16, 128, 64
#: Ending of a kernel's name -> dtype of the matrix that shows its best rate.
BEST_OF = {"s8": "int8", "f32": "float32"}


class Timed(Protocol):
    """What is asked of a model."""

    @property
    def manifest(self) -> dict[str, Any]: ...

    def time_nodes(self) -> list[int]: ...


@dataclass(frozen=True)
class Layer:
    """One kernel call, or the slices of one.

    Attributes:
        share: of the sum of all layers, 0 .. 1.
        gmacs: billions of multiply-accumulates a second; None where there are none.
        of_best: `gmacs` as a part of what the same kernels reach at best; None where that was not measured.
    """

    name: str
    op: str
    kernel: str
    macs: int
    median_us: float
    share: float
    gmacs: float | None
    of_best: float | None


def time_layers(
    model: Timed, seconds: float, best: Mapping[str, float], *, wall_s: Callable[[], float] = time.monotonic
) -> tuple[Layer, ...]:
    """Time the layers of a model that has run at least once.

    Args:
        best: ending of a kernel's name -> GMAC/s, from `best_rates`.

    Raises:
        UnsupportedPlatformError: its kernels cannot be called one by one.
    """
    rounds: list[list[int]] = []
    end = wall_s() + seconds
    while len(rounds) < FEWEST_ROUNDS or wall_s() < end:
        rounds.append(model.time_nodes())
    times = [median(of_one) for of_one in zip(*rounds, strict=True)]
    nodes = model.manifest["nodes"]
    whole = sum(times) or 1
    return tuple(_layer(node, took, whole, best) for node, took in zip(nodes, times, strict=True))


def _layer(node: Mapping[str, Any], took_ns: float, whole_ns: float, best: Mapping[str, float]) -> Layer:
    kernel, macs = node["kernel"], node["macs"]
    rate = macs / took_ns if macs and took_ns else None
    most = best.get(kernel.rpartition("_")[2])
    return Layer(
        name=node["name"],
        op=node["op"],
        kernel=kernel,
        macs=macs,
        median_us=round(took_ns / 1000, 3),
        share=round(took_ns / whole_ns, 4),
        gmacs=None if rate is None else round(rate, 2),
        of_best=None if rate is None or not most else round(rate / most, 3),
    )


def best_rates(engine: str, seconds: float = 0.2) -> dict[str, float]:
    """Return for each row of BEST_OF the GMAC/s of its kernels on the matrix made for them."""
    rates = {}
    for ending, dtype in BEST_OF.items():
        with open_session(_matrix(dtype), engine=engine) as model:
            rates[ending] = _rate(model, seconds)
    return rates


def _rate(model: Session, seconds: float) -> float:
    model.run(*random_inputs(model.inputs))
    took: list[int] = []
    end = time.monotonic() + seconds
    while len(took) < FEWEST_ROUNDS or time.monotonic() < end:
        took.append(sum(model.time_nodes()))
    macs: int = model.manifest["macs"]
    return round(macs / median(took), 2)


def _matrix(dtype: str) -> bytes:
    """Return the module of one 1x1 convolution with a ReLU."""
    random = np.random.default_rng(0)
    of_int8 = dtype == "int8"

    def value(name: str, shape: tuple[int, ...], data: np.ndarray | None = None) -> Value:
        steps = Quantization(np.array([0.05], np.float32), np.zeros(1, np.int64)) if of_int8 else None
        return Value(name, dtype, shape, steps, data)

    filters = (_CHANNELS, 1, 1, _DEPTH)
    weights = random.integers(-127, 128, filters).astype(np.int8) if of_int8 else random.normal(0, 1, filters)
    image, output = value("x", (1, _SIDE, _SIDE, _DEPTH)), value("y", (1, _SIDE, _SIDE, _CHANNELS))
    operands: list[Value | None] = [image, value("w", filters, weights.astype(dtype))]
    node = Node("conv2d", "matrix", operands, [output], ConvolutionAttributes((1, 1), activation="relu"))
    graph = Graph("matrix", [image], [output], [node])
    return convert_graph(graph, source_sha256="0" * 64).module


__all__ = ["BEST_OF", "Layer", "best_rates", "time_layers"]
