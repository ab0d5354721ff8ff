"""A float model file becomes a graph with narrower weights and a report; samples are not needed, but can judge.

made = shrink_weights(data, "kws", WeightsOrder("dynamic"))
made.graph       goes to edge_sdk.compiler.convert.convert_graph
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from edge_sdk.compiler.convert import convert_graph
from edge_sdk.compiler.graph import Graph
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.passes import simplify
from edge_sdk.compiler.quantize.weights_only import WEIGHTS, narrow_weights
from edge_sdk.errors import ModelError, UsageError
from edge_sdk.quantization.capture import read_capture
from edge_sdk.quantization.outcome import Outcome, chooses_a_class, compare
from edge_sdk.quantization.report import outcome_lines
from edge_sdk.quantization.running import open_graph, real_outputs
from edge_sdk.units import si_bytes

#: Layers that an error names.
_MOST_NAMED = 3


@dataclass(frozen=True)
class WeightsOrder:
    """What is wanted.

    Attributes:
        weights: a key of WEIGHTS.
        evaluate: a capture whose samples both models are run on; None: not at all.
    """

    weights: str
    evaluate: Path | None = None
    engine: str = "auto"


@dataclass(frozen=True)
class Layer:
    """One node with float weights; `reason`: why they have stayed as they were, "" where they have not."""

    name: str
    op: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """Both models on the same samples; fields as in `quantization.report.Report`."""

    samples: int
    chooses_a_class: bool
    float_accuracy: float | None
    outcome: Outcome


@dataclass(frozen=True)
class WeightsReport:
    """The whole of it.

    Attributes:
        key: its place in the JSON report of a conversion.
        float_bytes, narrow_bytes: the modules' sizes.
        evaluation: None where nobody asked.
    """

    key: ClassVar[str] = "weights"
    name: str
    weights: str
    float_bytes: int
    narrow_bytes: int
    layers: tuple[Layer, ...]
    evaluation: Evaluation | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def text(self) -> str:
        """Return the report for a terminal."""
        kept = Counter(layer.reason for layer in self.layers if layer.reason)
        narrowed = len(self.layers) - kept.total()
        lines = [f"weights       {self.weights}, {narrowed} of {len(self.layers)} layers"]
        lines += [f"  float32: {count}: {reason}" for reason, count in kept.items()]
        lines.append(f"size          {si_bytes(self.float_bytes)} -> {si_bytes(self.narrow_bytes)}")
        if self.evaluation is not None:
            found = self.evaluation
            lines.append(f"compared      {found.samples} samples")
            lines += outcome_lines(found.outcome, found.float_accuracy, found.chooses_a_class)
        return "\n".join(lines)


@dataclass(frozen=True)
class Shrunk:
    """The result."""

    graph: Graph
    report: WeightsReport


def shrink_weights(data: bytes, name: str, order: WeightsOrder) -> Shrunk:
    """Make a model's weights narrower.

    Args:
        data: the bytes of a model file with float weights.
        name: the model's name, for messages.

    Raises:
        ModelError: the model cannot be converted, or no layer's weights can be narrower.
        InputError, TargetNotFoundError, AccessDeniedError: the capture.
        UsageError: the order names a form that there is not.
    """
    if order.weights not in WEIGHTS:
        raise UsageError(f"weights={order.weights!r}, expected one of {', '.join(WEIGHTS)}")
    before = import_model(data, name)
    simplify(before)
    after, _ = before.copy()
    reasons = narrow_weights(after, order.weights)
    if all(reasons.values()):
        why = "; ".join(f"{node.op} {node.name}: {reason}" for node, reason in list(reasons.items())[:_MOST_NAMED])
        raise ModelError(
            f"{name}: no layer has float weights that can be {order.weights}{f' ({why})' if why else ''}",
            hint="convert it without --weights",
        )
    sizes = [len(convert_graph(graph.copy()[0], source_sha256="0" * 64).module) for graph in (before, after)]
    layers = tuple(Layer(node.name, node.op, reason) for node, reason in reasons.items())
    evaluation = None if order.evaluate is None else _evaluation(before, after, order.evaluate, order.engine)
    return Shrunk(after, WeightsReport(name, order.weights, sizes[0], sizes[1], layers, evaluation))


def _evaluation(before: Graph, after: Graph, path: Path, engine: str) -> Evaluation:
    capture = read_capture(path, before.inputs)
    with open_graph(before, engine=engine) as as_float, open_graph(after, engine=engine) as narrow:
        wanted = list(real_outputs(as_float, capture.samples))
        outcome = compare(wanted, list(real_outputs(narrow, capture.samples)), capture.labels)
    accuracy = compare(wanted, wanted, capture.labels).accuracy
    return Evaluation(len(capture.samples), chooses_a_class(wanted, capture.labels), accuracy, outcome)
