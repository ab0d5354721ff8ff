"""The model between importer and code generation: nodes in execution order, joined by values.

Nothing here knows a file format. Tensors are NHWC, weights as each op's file says; padding is always explicit.
A value is computed by one node, or is constant (`data`), or is an input of the graph. Passes change the graph in
place.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Quantization:
    """real = scales[c] * (q - zero_points[c]), c along `axis`; one entry serves the whole tensor.

    Attributes:
        scales: float32, as stored in the model: the exact results depend on these bits.
        zero_points: int64, as many as `scales`.
        axis: the dimension that `scales` runs along when it has more than one entry.
    """

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int = 0

    @property
    def is_per_tensor(self) -> bool:
        return self.scales.size == 1

    @property
    def scale(self) -> float:
        return float(self.scales[0])

    @property
    def zero_point(self) -> int:
        return int(self.zero_points[0])


@dataclass(eq=False)
class Value:
    """A tensor: what it looks like and, for a constant, what it holds.

    Attributes:
        dtype: numpy's name, or the model's own word ("int4") where numpy has none; no op takes the latter.
        data: the contents of a constant, of `shape` and `dtype`.
        unsigned: int8 steps of a tensor that is uint8 in the source: they and the zero point stand 128 below the
            source's. Ops whose rounding depends on the sign look at it.
        alias_of: the value whose bytes this one shows under another shape.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    quantization: Quantization | None = None
    data: NDArray[Any] | None = None
    unsigned: bool = False
    alias_of: Value | None = None

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.elements * np.dtype(self.dtype).itemsize

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def storage(self) -> Value:
        """The value that owns the bytes: itself, or the end of the chain of aliases."""
        value = self
        while value.alias_of is not None:
            value = value.alias_of
        return value

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Unknown:
    """Attributes of a node that the importer could not translate: no op of ours fits, for this reason."""

    reason: str


@dataclass(eq=False)
class Node:
    """One operation.

    Attributes:
        op: a row of `edge_sdk.compiler.ops.OPS`, or the source's word when `attributes` is `Unknown`.
        name: unique enough for a person to find the node in the source model.
        origin: what the source model calls the operator.
        inputs: None stands for an optional input that is absent.
        attributes: the op's own dataclass, or None where it has none.
    """

    op: str
    name: str
    inputs: list[Value | None]
    outputs: list[Value]
    attributes: Any = None
    origin: str = ""

    @property
    def output(self) -> Value:
        return self.outputs[0]


@dataclass
class Graph:
    """A whole model; `nodes` are in an order in which every input is ready.

    Attributes:
        states: values that keep their contents from one run to the next -> what they hold before the first. Nodes read
            them as inputs and write them as outputs, any number of times: only for them the order of nodes matters.
    """

    name: str
    inputs: list[Value]
    outputs: list[Value]
    nodes: list[Node] = field(default_factory=list)
    states: dict[Value, NDArray[Any]] = field(default_factory=dict)

    def use_counts(self) -> Counter[Value]:
        """Return how often each value is read, by a node or as an output of the graph."""
        counts = Counter(self.outputs)
        for node in self.nodes:
            counts.update(value for value in node.inputs if value is not None)
        return counts

    def copy(self) -> tuple[Graph, dict[Value, Value]]:
        """Return a graph that passes may change, and where each of this one's values is in it.

        Contents are shared. No value may be an alias yet.
        """
        twins: dict[Value, Value] = {}

        def twin(value: Value) -> Value:
            if value not in twins:
                twins[value] = replace(value)
            return twins[value]

        nodes = [
            replace(
                node,
                inputs=[None if value is None else twin(value) for value in node.inputs],
                outputs=[twin(value) for value in node.outputs],
            )
            for node in self.nodes
        ]
        inputs, outputs = [twin(value) for value in self.inputs], [twin(value) for value in self.outputs]
        states = {twin(value): contents for value, contents in self.states.items()}
        return Graph(self.name, inputs, outputs, nodes, states), twins
