"""A scale and a zero point for each float tensor.

Tensors that an op with `keeps` joins form a group and share one quantisation, wide enough for all of them. A tensor
whose quantisation its kernel prescribes brings it into the group of an op that reads it alone; where several tensors
meet it stays out, and the rewriting puts a requantize node there.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np

from edge_sdk.compiler.graph import Graph, Node, Quantization, Value
from edge_sdk.compiler.quantize.calibrate import STEPS, Range
from edge_sdk.compiler.quantize.rules import RULES

INT8_LOW, INT8_HIGH = -128, 127


def activation_quantization(covered: Range) -> Quantization:
    """Return the asymmetric int8 quantisation that covers a range; 0 is exactly one of its steps."""
    low, high = min(0.0, covered.low), max(0.0, covered.high)
    scale = np.float32((high - low) / STEPS)
    if not scale >= np.finfo(np.float32).tiny:  # a tensor that was always 0
        return prescribed((1.0, 0))
    zero_point = int(np.clip(round(INT8_LOW - low / float(scale)), INT8_LOW, INT8_HIGH))
    return prescribed((float(scale), zero_point))


def prescribed(pair: tuple[float, int]) -> Quantization:
    """Return the per-tensor quantisation of (scale, zero point)."""
    return Quantization(np.array([pair[0]], np.float32), np.array([pair[1]], np.int64))


def assign(graph: Graph, ranges: Mapping[Value, Range], int8_nodes: Set[Node]) -> dict[Value, Quantization]:
    """Return a quantisation for each value in `ranges`.

    Args:
        ranges: for every float32 value that is, or may become, int8.
        int8_nodes: the others stay in float and join nothing.
    """
    groups = _Groups(ranges)
    for node in graph.nodes:
        rule = RULES.get(node.op)
        if node not in int8_nodes or rule is None:
            continue
        if rule.output is not None:
            groups.fix(node.output, prescribed(rule.output))
        elif rule.keeps:
            inputs = [value for value in node.inputs if value is not None and value in ranges]
            joined = [value for value in inputs if len(inputs) == 1 or not groups.is_fixed(value)]
            for value in [*joined, *(output for output in node.outputs if output in ranges)]:
                groups.join(value, node.output)
    return {value: groups.quantization(value) for value in ranges}


class _Groups:
    """Disjoint sets of values; each has a range, or a quantisation that a kernel prescribes."""

    def __init__(self, ranges: Mapping[Value, Range]) -> None:
        self._parent: dict[Value, Value] = {value: value for value in ranges}
        self._range = dict(ranges)
        self._fixed: dict[Value, Quantization] = {}
        self._made: dict[Value, Quantization] = {}

    def root(self, value: Value) -> Value:
        while self._parent[value] is not value:
            self._parent[value] = self._parent[self._parent[value]]
            value = self._parent[value]
        return value

    def fix(self, value: Value, quantization: Quantization) -> None:
        self._fixed[self.root(value)] = quantization

    def is_fixed(self, value: Value) -> bool:
        return self.root(value) in self._fixed

    def join(self, first: Value, second: Value) -> None:
        a, b = self.root(first), self.root(second)
        if a is b:
            return
        self._parent[b] = a
        self._range[a] = self._range[a].hull(self._range[b])
        if b in self._fixed:
            self._fixed.setdefault(a, self._fixed[b])

    def quantization(self, value: Value) -> Quantization:
        root = self.root(value)
        if root in self._fixed:
            return self._fixed[root]
        if root not in self._made:
            self._made[root] = activation_quantization(self._range[root])
        return self._made[root]
