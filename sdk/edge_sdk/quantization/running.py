"""Graphs of the compiler become sessions of the runtime, and samples go through them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.convert import convert_graph
from edge_sdk.compiler.graph import Graph, Value
from edge_sdk.quantization.capture import Sample
from edge_sdk.runtime.session import Session, open_session
from edge_sdk.tensor import TensorSpec

#: Seconds that one run on a sample may take; models are run whole, with every tensor as an output.
DEADLINE_S = 120.0
MEMORY_MIB = 4096.0
#: A module may not have more.
MOST_OUTPUTS = 64
_NOWHERE = "0" * 64  # a module that is not kept has no source


def open_graph(graph: Graph, outputs: Sequence[Value] | None = None, engine: str = "auto") -> Session:
    """Return a session that runs the graph; `outputs`: at most MOST_OUTPUTS values that come out, not its own."""
    twin, where = graph.copy()
    if outputs is not None:
        twin.outputs = [where[value] for value in outputs]
    module = convert_graph(twin, source_sha256=_NOWHERE).module
    return open_session(module, engine=engine, deadline_s=DEADLINE_S, memory_mib=MEMORY_MIB)


def real_outputs(model: Session, samples: Iterable[Sample]) -> Iterator[list[NDArray[Any]]]:
    """Run the model on each sample of real numbers; integer borders are quantised and dequantised here."""
    model.reset()
    for sample in samples:
        given = [to_steps(array, spec) for array, spec in zip(sample, model.inputs, strict=True)]
        yield [to_real(array, spec) for array, spec in zip(model.run(*given), model.outputs, strict=True)]


def to_steps(array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """Return an array as the model takes it."""
    dtype = np.dtype(spec.dtype)
    if array.dtype == dtype or spec.scale == 0:
        return array
    limits = np.iinfo(dtype)
    whole = np.rint(array / spec.scale) + spec.zero_point
    steps: NDArray[Any] = np.clip(whole, limits.min, limits.max).astype(dtype)
    return steps


def to_real(array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """Return what an output stands for."""
    if spec.scale == 0 or array.dtype.kind == "f":
        return array
    real: NDArray[Any] = spec.scale * (array.astype(np.float64) - spec.zero_point)
    return real
