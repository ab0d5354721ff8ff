"""A float model file and a capture become an int8 graph and a report.

    made = quantize(data, "kws", Order(Path("capture.npz")))
    made.graph       goes to edge_sdk.compiler.convert.convert_graph
    made.report      how good, how large, how fast

Every second sample judges, the others give the ranges; with few samples, all do both. The same file and
the same capture give the same graph.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge_sdk.bench.interleave import interleave
from edge_sdk.compiler.convert import convert_graph
from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.passes import simplify
from edge_sdk.compiler.quantize.calibrate import CALIBRATIONS
from edge_sdk.compiler.quantize.observers import Observer
from edge_sdk.compiler.quantize.pools_to_means import pools_to_means
from edge_sdk.compiler.quantize.rewrite import BORDERS, Measured, observed_values, rewrite, weighted_inputs
from edge_sdk.compiler.quantize.rules import RULES
from edge_sdk.compiler.quantize.sensitivity import candidates, neighbours, with_rounded
from edge_sdk.errors import ModelError, UsageError
from edge_sdk.quantization.capture import FEW_SAMPLES, Capture, read_capture
from edge_sdk.quantization.outcome import Outcome, Outputs, chooses_a_class, compare, quality
from edge_sdk.quantization.report import NodeChoice, Report, Speed
from edge_sdk.quantization.running import MOST_OUTPUTS, open_graph, real_outputs, to_steps
from edge_sdk.quantization.search import Trial, meets_target, widen
from edge_sdk.registry import nearest

log = logging.getLogger(__name__)

#: (what is being done, steps done, steps in all).
Progress = Callable[[str, int, int], None]
#: Every so many samples, one judges.
JUDGE_EVERY = 2
#: Samples on which each tensor is rounded alone.
ALONE_SAMPLES = 24


@dataclass(frozen=True)
class Order:
    """What is wanted.

    Attributes:
        calibration: a key of CALIBRATIONS.
        keep_float: names or numbers of nodes that stay in float; None: as many as the target takes.
        io: dtype of the float inputs and outputs afterwards; one of BORDERS.
        bench_s: seconds to measure speed for; 0: not at all.
    """

    capture: Path
    calibration: str = "mse"
    keep_float: tuple[str, ...] | None = None
    io: str = "float32"
    engine: str = "auto"
    bench_s: float = 1.0


@dataclass(frozen=True)
class Quantized:
    """The result."""

    graph: Graph
    report: Report


def quantize(data: bytes, name: str, order: Order, progress: Progress = lambda _what, _done, _all: None) -> Quantized:
    """Quantise a model.

    Args:
        data: the bytes of a model file with float activations.
        name: the model's name, for messages.
        progress: is told how far each part of the work is.

    Raises:
        ModelError: the model cannot be converted, or has nothing that could be int8.
        InputError, TargetNotFoundError, AccessDeniedError: the capture.
        UsageError: the order names an option or a node that there is not.
    """
    if order.io not in BORDERS or order.calibration not in CALIBRATIONS:
        raise UsageError(f"io={order.io!r}, calibration={order.calibration!r}: see the lists in the help text")
    graph = import_model(data, name)
    simplify(graph)
    pools_to_means(graph)
    if not any(node.op in RULES and node.output.dtype == "float32" for node in graph.nodes):
        raise ModelError(f"{name}: has no float32 operator that has an int8 form", hint="convert it without --quantize")
    return _Work(graph, read_capture(order.capture, graph.inputs), order, progress).run()


class _Work:
    """One quantisation: what its steps share."""

    def __init__(self, graph: Graph, capture: Capture, order: Order, progress: Progress) -> None:
        self.graph = graph
        self.order = order
        self.progress = progress
        count = len(capture.samples)
        if count < FEW_SAMPLES:
            log.warning("%s: %d samples; at least %d tell more about the model", order.capture, count, FEW_SAMPLES)
        # The runs of a model with state belong together: all of them, in order.
        self.held_out = count >= FEW_SAMPLES and not graph.states
        judges = [index for index in range(count) if not self.held_out or index % JUDGE_EVERY == JUDGE_EVERY - 1]
        self.judging = [capture.samples[index] for index in judges]
        self.calibrating = [
            capture.samples[index] for index in range(count) if not self.held_out or index not in judges
        ]
        self.labels = None if capture.labels is None else capture.labels[judges]
        self.measured = self._measure()
        with open_graph(graph, engine=order.engine) as model:
            self.wanted = list(real_outputs(model, self.judging))
        self.chooses_a_class = chooses_a_class(self.wanted, self.labels)

    def run(self) -> Quantized:
        trial, trials = self._try(self._kept_from_the_start()), 1
        alone: dict[Value, Outcome] = {}
        if self.order.keep_float is None and not self._is_good(trial.outcome):
            alone = self._each_alone()
            ranked = sorted(alone, key=lambda value: quality(alone[value])[::-1])
            trial, more = widen(trial, [neighbours(self.graph, value) for value in ranked], self._try, self._is_good)
            trials += more
        return Quantized(trial.rewriting.graph, self._report(trial, trials, alone))

    def _measure(self) -> Measured:
        """Run the float model with every tensor as an output."""
        values, means = observed_values(self.graph), weighted_inputs(self.graph)
        observers = {value: Observer(value.name, with_mean=value in means) for value in values}
        steps = len(self.calibrating) * -(-len(values) // MOST_OUTPUTS)
        done = 0
        for first in range(0, len(values), MOST_OUTPUTS):
            some = values[first : first + MOST_OUTPUTS]
            with open_graph(self.graph, some, self.order.engine) as model:
                for sample in self.calibrating:
                    self.progress("calibrating", done, steps)
                    done += 1
                    for value, array in zip(some, model.run(*sample), strict=True):
                        observers[value].see(array)
        found = {value: observer.statistics() for value, observer in observers.items()}
        choose = CALIBRATIONS[self.order.calibration]
        return Measured(
            {value: choose(statistics) for value, statistics in found.items()},
            {value: statistics.mean for value, statistics in found.items() if statistics.mean is not None},
        )

    def _is_good(self, outcome: Outcome) -> bool:
        return meets_target(outcome, self.chooses_a_class)

    def _kept_from_the_start(self) -> frozenset[Node]:
        if self.order.keep_float is not None:
            return frozenset(_named(self.graph, word) for word in self.order.keep_float)
        if self.order.io != "float32":
            return frozenset()
        # A soft-max's steps are coarse, and these would become real numbers again at once.
        last = {node for node in self.graph.nodes if node.output in self.graph.outputs}
        return frozenset(node for node in last if node.op in RULES and RULES[node.op].output is not None)

    def _try(self, keep_float: frozenset[Node]) -> Trial:
        rewriting = rewrite(self.graph, self.measured, io=self.order.io, keep_float=keep_float)
        return Trial(keep_float, rewriting, self._compared(rewriting.graph, len(self.judging), "comparing"))

    def _each_alone(self) -> dict[Value, Outcome]:
        """Return what the float model is like with one tensor rounded, for each tensor."""
        values = candidates(self.graph)
        found = {}
        for done, value in enumerate(values):
            self.progress("rounding each tensor alone", done, len(values))
            found[value] = self._compared(with_rounded(self.graph, self.measured, value), ALONE_SAMPLES)
        return found

    def _compared(self, graph: Graph, samples: int, doing: str = "") -> Outcome:
        samples = min(samples, len(self.judging))
        outputs: list[Outputs] = []
        with open_graph(graph, engine=self.order.engine) as model:
            for found in real_outputs(model, self.judging[:samples]):
                if doing:
                    self.progress(doing, len(outputs), samples)
                outputs.append(found)
        labels = None if self.labels is None else self.labels[:samples]
        return compare(self.wanted[:samples], outputs, labels)

    def _report(self, trial: Trial, trials: int, alone: dict[Value, Outcome]) -> Report:
        as_float = compare(self.wanted, self.wanted, self.labels)
        sizes = [
            len(convert_graph(graph.copy()[0], source_sha256="0" * 64).module)
            for graph in (self.graph, trial.rewriting.graph)
        ]
        return Report(
            name=self.graph.name,
            calibration=self.order.calibration,
            io=self.order.io,
            samples={"calibration": len(self.calibrating), "comparison": len(self.judging)},
            held_out=self.held_out,
            chooses_a_class=self.chooses_a_class,
            float_accuracy=as_float.accuracy,
            outcome=trial.outcome,
            target_reached=self._is_good(trial.outcome),
            float_bytes=sizes[0],
            quantized_bytes=sizes[1],
            speed=self._speed(trial.rewriting.graph) if self.order.bench_s > 0 else None,
            nodes=tuple(self._choice(index, trial, alone) for index in range(len(self.graph.nodes))),
            trials=trials,
        )

    def _choice(self, index: int, trial: Trial, alone: dict[Value, Outcome]) -> NodeChoice:
        node = self.graph.nodes[index]
        is_int8 = node in trial.rewriting.int8_nodes
        why = ""
        if not is_int8 and node in trial.keep_float:
            last = node in self._kept_from_the_start()
            why = "as told" if self.order.keep_float else "its output is float32" if last else "rounding costs too much"
        elif not is_int8:
            why = trial.rewriting.refused[node]
        found = alone.get(node.output)
        return NodeChoice(index, node.name, node.op, is_int8, why, None if found is None else found.signal_to_noise_db)

    def _speed(self, graph: Graph) -> Speed:
        """Measure both models in turns on one sample."""
        self.progress("measuring speed", 0, 1)
        with (
            open_graph(self.graph, engine=self.order.engine) as before,
            open_graph(graph, engine=self.order.engine) as now,
        ):
            given = {
                name: [to_steps(array, spec) for array, spec in zip(self.judging[0], model.inputs, strict=True)]
                for name, model in (("float", before), ("quantized", now))
            }
            turns = {"float": partial(before.run, *given["float"]), "quantized": partial(now.run, *given["quantized"])}
            samples = interleave(turns, self.order.bench_s)
            return Speed(
                engine=str(now.engine),
                float_us=round(samples["float"].median_ns / 1000, 1),
                quantized_us=round(samples["quantized"].median_ns / 1000, 1),
                ratio=round(samples["float"].ratio_to(samples["quantized"]), 2),
            )


def _named(graph: Graph, word: str) -> Node:
    """Return the node of this name, or of this number in the report."""
    for index, node in enumerate(graph.nodes):
        if word in (node.name, str(index)):
            return node
    names = [node.name for node in graph.nodes]
    raise UsageError(
        f"{graph.name} has no node {word!r}{nearest(word, names)}; they are numbered 0 to {len(names) - 1}",
        hint="the nodes are listed by `edge-sdk convert MODEL --dry-run`",
    )
