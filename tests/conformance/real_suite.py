"""The real models: every tensor that the oracle can show, on both engines, over seeded inputs.

Integers are equal to the bit. A float output may be 1e-5 of its range away, or twice the distance between the oracle's
own back-ends; inner floats are not judged, the outputs they lead to are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_sdk.compiler.convert import convert
from edge_sdk.compiler.importers import import_model
from edge_sdk.errors import EdgeError
from tests.conformance.case import CLOSE
from tests.conformance.engines import ENGINES, run
from tests.conformance.graphs import inner_names, showing
from tests.conformance.judge import BACK_ENDS, distance, mistake, span
from tests.real.oracle import Arrays, Oracle, OracleError, seeded_inputs

#: Bytes of inner results that the oracle shows at once.
SHOWN_BYTES = 96 << 20
MAX_WORDS = 20


@dataclass
class ModelTally:
    """What became of one model.

    Attributes:
        refused: why it was not converted; "" when it was.
        inputs: calls that were compared.
        tensors: integer and float results compared in each call, outputs included.
        hidden: results of ours or the oracle's that the other cannot show.
        wrong: engine -> calls with something wrong.
        worst: engine -> largest error of a float output, as a part of its range.
        words: what is wrong.
    """

    model: str
    refused: str = ""
    inputs: int = 0
    tensors: int = 0
    hidden: int = 0
    wrong: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ENGINES, 0))
    worst: dict[str, float] = field(default_factory=dict)
    allowed: float = 0.0
    words: list[str] = field(default_factory=list)


def real_models(folder: Path) -> dict[str, tuple[Path, Arrays]]:
    """Return name -> (file, the given inputs) of every .tflite file of the index."""
    rows = json.loads((folder / "INDEX.json").read_text())["models"]
    return {
        row["name"]: (folder / row["file"], [_given(folder, spec) for spec in row["inputs"]])
        for row in rows
        if row["file"].endswith(".tflite")
    }


def _given(folder: Path, spec: dict[str, Any]) -> np.ndarray:
    array: np.ndarray = np.load(folder / spec["data"]).reshape(spec["shape"])
    return array


def try_real_model(oracle: Oracle, name: str, path: Path, given: Arrays, count: int, seed: int) -> ModelTally:
    """Compare one model over `count` seeded inputs."""
    tally = ModelTally(name)
    data = path.read_bytes()
    try:
        _Comparison(oracle, data, tally).run(seeded_inputs([], given, count, seed))
    except EdgeError as error:
        tally.refused = str(error)
    except OracleError as error:
        tally.words.append(str(error))
        tally.wrong = dict.fromkeys(ENGINES, count)
    return tally


class _Comparison:
    """One model under test: modules that show its inner results, and what came out so far."""

    def __init__(self, oracle: Oracle, data: bytes, tally: ModelTally) -> None:
        self.oracle, self.data, self.tally = oracle, data, tally
        self.module = convert(data, name=tally.model).module
        graph = import_model(data, tally.model)
        self.names = inner_names(graph)
        self.bytes_shown = sum(value.size_bytes for node in graph.nodes for value in node.outputs)
        self.computed = sum(len(node.outputs) for node in graph.nodes)
        self.outputs: dict[str, list[Arrays]] = {engine: [] for engine in ENGINES}
        self.truth: list[Arrays] = []

    def run(self, calls: list[Arrays]) -> None:
        """Compare all calls; state is kept within a batch, on both sides."""
        bad: dict[str, set[int]] = {engine: set() for engine in ENGINES}
        shown: list[str] = []
        modules: list[tuple[list[str], bytes]] = []
        for start, batch in self._batches(calls):
            answers = self.oracle.tensors(self.data, batch, shown or self.names)
            if not modules:
                shown = [name for name in self.names if name in answers[0][1]]
                modules = showing(self.data, shown)
            self.truth += [outputs for outputs, _ in answers]
            for engine in ENGINES:
                self.outputs[engine] += run(self.module, engine, batch)
            for names, module in modules:
                for engine in ENGINES:
                    for at, results in enumerate(run(module, engine, batch)):
                        words = _inner_mistakes(names, results[-len(names) :], answers[at][1])
                        self._note(engine, bad, start + at, words)
        self._judge_outputs(calls, bad)
        self.tally.tensors = len(self.truth[0]) + len(shown)
        self.tally.hidden = self.computed - self.tally.tensors
        self.tally.inputs = len(calls)
        self.tally.wrong = {engine: len(found) for engine, found in bad.items()}

    def _batches(self, calls: list[Arrays]) -> Iterator[tuple[int, list[Arrays]]]:
        size = max(1, SHOWN_BYTES // self.bytes_shown)
        for start in range(0, len(calls), size):
            yield start, calls[start : start + size]

    def _judge_outputs(self, calls: list[Arrays], bad: dict[str, set[int]]) -> None:
        has_floats = any(array.dtype.kind == "f" for array in self.truth[0])
        rivals = self._rivals(calls) if has_floats else self.truth
        for index in range(len(self.truth[0])):
            truth, rival = (np.stack([call[index] for call in each]) for each in (self.truth, rivals))
            allowed = max(CLOSE * span(truth), BACK_ENDS * distance(rival, truth)) if truth.dtype.kind == "f" else 0
            for engine in ENGINES:
                mine = np.stack([call[index] for call in self.outputs[engine]])
                if truth.dtype.kind == "f" and mine.shape == truth.shape and span(truth):
                    worst = distance(mine, truth) / span(truth)
                    self.tally.worst[engine] = max(self.tally.worst.get(engine, 0.0), worst)
                    self.tally.allowed = max(self.tally.allowed, allowed / span(truth))
                for at, (a, b) in enumerate(zip(mine, truth, strict=True)):
                    words = mistake(a, b, allowed)
                    self._note(engine, bad, at, [f"output {index}: {words}"] if words else [])

    def _rivals(self, calls: list[Arrays]) -> list[Arrays]:
        return [outputs for _, batch in self._batches(calls) for outputs in self.oracle.run(self.data, batch, "AUTO")]

    def _note(self, engine: str, bad: dict[str, set[int]], call: int, words: list[str]) -> None:
        if words:
            bad[engine].add(call)
            self.tally.words = (self.tally.words + [f"{engine}: call {call}: {line}" for line in words])[:MAX_WORDS]


def _inner_mistakes(names: list[str], ours: Arrays, theirs: dict[str, np.ndarray]) -> list[str]:
    found = []
    for name, mine in zip(names, ours, strict=True):
        if theirs[name].dtype.kind != "f":
            words = mistake(mine, theirs[name], 0)
            if words:
                found.append(f"{name[:80]}: {words}")
    return found
