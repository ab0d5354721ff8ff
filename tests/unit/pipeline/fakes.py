"""A model that needs no runtime, and pipeline files around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_sdk.pipeline import Observer, Pipeline, Snapshot, Summary
from edge_sdk.reading import Result
from edge_sdk.tensor import TensorSpec


class FakeModel:
    """float32 [1, n] in, float32 [1, m] out; what it computes is given."""

    engine = "fake (none)"
    source_sha256 = "ab" * 32
    restarts = 0

    def __init__(self, inputs: TensorSpec, outputs: TensorSpec, compute: Callable[[Any], Any]) -> None:
        self.inputs, self.outputs = (inputs,), (outputs,)
        self.compute = compute
        self.closed = False
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        assert not self.closed
        assert inputs[0].shape == self.inputs[0].shape
        assert inputs[0].dtype == np.dtype(self.inputs[0].dtype)
        return (self.compute(inputs[0]),)

    def close(self) -> None:
        self.closed = True


def loader(model: FakeModel, seen: list[dict[str, Any]] | None = None) -> Any:
    """Return a function with the signature of `edge_sdk.load`."""

    def load(path: Path, engine: str = "auto", threads: int = 1, **more: Any) -> FakeModel:
        if seen is not None:
            seen.append({"path": path, "engine": engine, "threads": threads, **more})
        return model

    return load


def loud_model(size: int = 8) -> FakeModel:
    """Two scores: quiet and loud, by the mean square of the input."""

    def compute(x: Any) -> Any:
        loud = min(1.0, float(np.mean(x**2)))
        return np.array([[1 - loud, loud]], np.float32)

    return FakeModel(TensorSpec("x", "float32", (1, size)), TensorSpec("y", "float32", (1, 2)), compute)


def write_pipeline(folder: Path, text: str, samples: Any = None) -> Path:
    """Write p.toml with a replay source `a` of 1 kHz in front of `text`, and its recording."""
    np.savez(folder / "x.npz", x=np.zeros(80) if samples is None else samples)
    path = folder / "p.toml"
    head = 'name = "test"\ndevice = "gw"\n[sources.a]\ntype = "replay"\nfile = "x.npz"\nrate_hz = 1000\nspeed = 0\n'
    path.write_text(head + text)
    return path


WINDOW = '[[steps]]\nid = "win"\nuse = "window"\ninput = "a"\nsize = 8\n'
MODEL = '[[steps]]\nid = "score"\nuse = "model"\ninput = "win"\nmodel = "m.wasm"\n'
LABELS = 'labels = ["quiet", "loud"]\n'
THRESHOLD = '[[steps]]\nid = "alarm"\nuse = "threshold"\ninput = "score"\non = 0.5\nlabels = ["loud"]\n'


class Recorder(Observer):
    """Keeps what an observer is told."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.ticks: list[Snapshot] = []
        self.pipeline: Pipeline | None = None
        self.summary: Summary | None = None

    def started(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def result(self, result: Result) -> None:
        self.results.append(result)

    def tick(self, snapshot: Snapshot) -> None:
        self.ticks.append(snapshot)

    def stopped(self, summary: Summary) -> None:
        self.summary = summary
