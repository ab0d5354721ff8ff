"""The float graph with its nodes in int8, and quantize, dequantize and requantize nodes where float and int8 meet.

    rewriting = rewrite(graph, Measured(ranges, means), io="float32", keep_float={"conv9"})
    rewriting.graph      goes to the lowering
    rewriting.refused    nodes that stay in float because no int8 kernel takes them -> why

A node becomes int8 where `RULES` has its op and the op's own check takes the int8 node; else it stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Graph, Node, Quantization, Value
from edge_sdk.compiler.ops import check_node
from edge_sdk.compiler.ops.fixed_point import round_half_away_array
from edge_sdk.compiler.ops.op import contents, require, tensor
from edge_sdk.compiler.quantize.assign import INT8_HIGH, INT8_LOW, assign
from edge_sdk.compiler.quantize.bias_correction import mean_shift
from edge_sdk.compiler.quantize.calibrate import Range
from edge_sdk.compiler.quantize.rules import RULES
from edge_sdk.compiler.quantize.weights import bias_value, quantize_weights, real_weights
from edge_sdk.errors import ModelError

#: What a model's borders may look like after quantisation.
BORDERS = ("float32", "int8", "uint8")


@dataclass(frozen=True)
class Measured:
    """What calibration found.

    Attributes:
        ranges: of every float32 value that is computed, an input or a constant operand.
        means: over the samples, of the inputs of nodes with weights; without one, a node's bias is not corrected.
    """

    ranges: Mapping[Value, Range]
    means: Mapping[Value, NDArray[np.float64]] = field(default_factory=dict)


@dataclass
class Rewriting:
    """The result.

    Attributes:
        int8_nodes: the original nodes that are int8 now.
        refused: nodes that were meant to be -> why they are not.
    """

    graph: Graph
    int8_nodes: set[Node]
    refused: dict[Node, str]


def rewrite(graph: Graph, measured: Measured, *, io: str = "float32", keep_float: Set[Node] = frozenset()) -> Rewriting:
    """Return the quantised graph; `graph` stays as it is.

    Args:
        graph: after the float passes, no aliases yet.
        io: one of BORDERS, for the float32 inputs and outputs; others stay what they are.
        keep_float: nodes that stay in float.
    """
    refused = {node: reason for node in graph.nodes if (reason := _without_int8_form(graph, node))}
    while True:
        int8_nodes = {node for node in graph.nodes if node not in refused and node not in keep_float}
        attempt = _Rewriter(graph, measured, int8_nodes, io)
        attempt.run()
        if not attempt.refused:
            return Rewriting(attempt.graph, int8_nodes, refused)
        refused |= attempt.refused  # at least one node more each time


def weighted_inputs(graph: Graph) -> set[Value]:
    """Return the inputs of nodes with weights: correcting biases takes their means."""
    rules = ((node, RULES.get(node.op)) for node in graph.nodes)
    return {tensor(node) for node, rule in rules if rule is not None and rule.weights is not None}


def observed_values(graph: Graph) -> list[Value]:
    """Return the float32 values whose range has to be measured: the inputs, and what the nodes compute."""
    values = graph.inputs + [value for node in graph.nodes for value in node.outputs]
    return [value for value in dict.fromkeys(values) if value.dtype == "float32" and value not in graph.states]


def _without_int8_form(graph: Graph, node: Node) -> str:
    """Return why a node stays in float whatever its tensors hold, or an empty string."""
    if any(value in graph.states for value in (*node.inputs, *node.outputs)):
        return "keeps state between runs"
    return "" if node.op in RULES else f"no int8 form of {node.op}"


class _Rewriter:
    """One pass over the nodes. Each original value has a float form, an int8 form, or both, made when first needed."""

    def __init__(self, graph: Graph, measured: Measured, int8_nodes: set[Node], io: str) -> None:
        self.source = graph
        self.measured = measured
        self.int8_nodes = int8_nodes
        self.io = io
        self.quantizations = assign(graph, _constant_ranges(graph) | dict(measured.ranges), int8_nodes)
        self.graph = Graph(graph.name, [], [])
        self.refused: dict[Node, str] = {}
        self.floats: dict[Value, Value] = {}
        self.steps: dict[Value, Value] = {}
        self.requantized: dict[tuple[Value, float, int], Value] = {}

    def run(self) -> None:
        self.floats |= {value: replace(value) for value in self.source.states}
        self.graph.states = {self.floats[value]: contents for value, contents in self.source.states.items()}
        for value in self.source.inputs:
            self._enter(value)
        for node in self.source.nodes:
            if node not in self.int8_nodes or not self._quantized(node):
                self._copied(node)
        for value in self.source.outputs:
            self._leave(value)

    # Borders.

    def _enter(self, value: Value) -> None:
        if self.io == "float32" or value.dtype != "float32":
            self.floats[value] = replace(value)
            self.graph.inputs.append(self.floats[value])
            return
        inner = Value(value.name, "int8", value.shape, self.quantizations[value])
        self.steps[value] = inner
        if self.io == "uint8":
            border = _uint8_of(inner)
            inner.name += ":int8"
            self._append("requantize", inner.name, [border], inner)
            self.graph.inputs.append(border)
        else:
            self.graph.inputs.append(inner)

    def _leave(self, value: Value) -> None:
        if self.io == "float32" or value not in self.quantizations:
            self.graph.outputs.append(self._as_float(value))
            return
        inner = self._as_steps(value, self.quantizations[value])
        inner.name = value.name + (":int8" if self.io == "uint8" else "")
        if self.io == "uint8":
            border = _uint8_of(inner)
            border.name = value.name
            self._append("requantize", border.name, [inner], border)
            inner = border
        self.graph.outputs.append(inner)

    # Nodes.

    def _copied(self, node: Node) -> None:
        inputs = [None if value is None else self._as_float(value) for value in node.inputs]
        outputs = [self.floats[value] if value in self.source.states else replace(value) for value in node.outputs]
        self.graph.nodes.append(replace(node, inputs=inputs, outputs=outputs))
        self.floats |= zip(node.outputs, outputs, strict=True)

    def _quantized(self, node: Node) -> bool:
        """Append the int8 form of a node; False, with the reason noted, where there is none."""
        rule = RULES[node.op]
        try:
            require(all(value in self.quantizations for value in node.outputs), "its output is not float32")
            outputs = [Value(f"{v.name}:int8", "int8", v.shape, self.quantizations[v]) for v in node.outputs]
            inputs = self._operands(node, rule.keeps) if rule.weights is None else self._weighted(node, rule.weights)
            twin = replace(node, inputs=inputs, outputs=outputs)
            check_node(twin)
        except ModelError as reason:
            self.refused[node] = reason.message
            return False
        self.graph.nodes.append(twin)
        self.steps |= zip(node.outputs, outputs, strict=True)
        return True

    def _operands(self, node: Node, keeps: bool) -> list[Value | None]:
        """Return the inputs in int8; where steps are kept, with the output's quantisation."""
        found: list[Value | None] = []
        for value in node.inputs:
            if value is None or value.dtype != "float32":
                found.append(value if value is None else self._as_float(value))
            else:
                require(value in self.quantizations, f"constant {value.name!r} is not finite")
                found.append(self._as_steps(value, self.quantizations[node.output if keeps else value]))
        return found

    def _weighted(self, node: Node, axis: int) -> list[Value | None]:
        x, weights, bias = (*node.inputs, None)[:3]
        if x is None or weights is None or weights.data is None or weights.dtype != "float32":
            raise ModelError("its weights are not float32 constants")
        require(x in self.quantizations, "its input is not a float32 tensor that varies")
        require(bias is None or bias.is_constant, "its bias is not constant")
        require(bool(np.isfinite(weights.data).all()), "its weights are not finite")
        require(bias is None or bool(np.isfinite(contents(bias)).all()), "its bias is not finite")
        quantization = self.quantizations[x]
        offsets = None if bias is None else contents(bias).astype(np.float64).reshape(-1)
        whole, scales = quantize_weights(weights.data, axis, quantization.scale, offsets)
        if x in self.measured.means:
            shift = mean_shift(node, real_weights(whole, scales) - weights.data, self.measured.means[x])
            if shift is not None:
                offsets = -shift if offsets is None else offsets - shift
        inputs: list[Value | None] = [
            self._as_steps(x, quantization),
            Value(weights.name, "int8", weights.shape, scales, whole),
        ]
        if offsets is not None:
            inputs.append(bias_value(f"{node.name}:bias", offsets, quantization.scale, scales))
        return inputs

    # Values.

    def _as_float(self, value: Value) -> Value:
        if value not in self.floats and value.is_constant:
            self.floats[value] = value
        if value not in self.floats:
            real = Value(value.name, "float32", value.shape)
            self._append("dequantize", value.name, [self.steps[value]], real)
            self.floats[value] = real
        return self.floats[value]

    def _as_steps(self, value: Value, wanted: Quantization) -> Value:
        """Return the int8 form of a value with the wanted quantisation."""
        if value not in self.steps:
            own = self.quantizations[value]
            steps = Value(f"{value.name}:int8", "int8", value.shape, own)
            if value.data is not None:
                steps.data = _steps(value.data, own)
            else:
                self._append("quantize", steps.name, [self._as_float(value)], steps)
            self.steps[value] = steps
        have = self.steps[value]
        if _same(have.quantization, wanted):
            return have
        key = value, wanted.scale, wanted.zero_point
        if key not in self.requantized:
            other = Value(f"{value.name}:int8:{len(self.graph.nodes)}", "int8", value.shape, wanted)
            self._append("requantize", other.name, [have], other)
            self.requantized[key] = other
        return self.requantized[key]

    def _append(self, op: str, name: str, inputs: list[Value | None], output: Value) -> None:
        self.graph.nodes.append(Node(op, name, inputs, [output], origin=op))


def _constant_ranges(graph: Graph) -> dict[Value, Range]:
    """Return the range of every finite float32 constant that is read like an activation, or is an output."""
    found = {}
    for node in graph.nodes:
        rule = RULES.get(node.op)
        for value in node.inputs if rule is not None and rule.weights is None else ():
            if value is not None and value.data is not None:
                found[value] = value.data
    found |= {value: value.data for value in graph.outputs if value.data is not None}
    return {
        value: Range(min(0.0, float(data.min())), max(0.0, float(data.max())))
        for value, data in found.items()
        if value.dtype == "float32" and np.isfinite(data).all()
    }


def _steps(real: NDArray[Any], quantization: Quantization) -> NDArray[np.int8]:
    """Return a constant in int8, rounded as the quantize kernel rounds."""
    whole = round_half_away_array(real.astype(np.float32) / np.float32(quantization.scale))
    steps: NDArray[np.int8] = np.clip(whole + quantization.zero_point, INT8_LOW, INT8_HIGH).astype(np.int8)
    return steps


def _same(one: Quantization | None, other: Quantization) -> bool:
    return one is not None and one.scale == other.scale and one.zero_point == other.zero_point


def _uint8_of(value: Value) -> Value:
    """Return a value that shows the steps of an int8 one as uint8: 128 higher."""
    q = value.quantization
    if q is None:
        raise ValueError(f"value {value.name!r} is not quantised")
    return Value(value.name, "uint8", value.shape, Quantization(q.scales, q.zero_points + 128))
