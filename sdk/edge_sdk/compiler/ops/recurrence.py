"""Sequences and their steps: what recurrent layers share.

A sequence is [T, N, K] when time comes first, [N, T, K] when the batch does, [N, K] when it is one step. Two layers may
write side by side into one sequence, so a step of a layer is a strided part of it:

    sample b of step t begins at element  at(t) + b * stride  of the sequence
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.op import require

#: Names of fused activations, as `activation` of the kernels counts them.
CELL_ACTIVATIONS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3, "tanh": 4}


@dataclass(frozen=True)
class Sequence:
    """A value as steps in time.

    Attributes:
        column: first element of each vector that belongs to the layer.
    """

    value: Value
    time_major: bool
    column: int = 0

    @property
    def width(self) -> int:
        """How many elements a vector of the value has."""
        return self.value.shape[-1]

    @property
    def batch(self) -> int:
        return self.value.shape[-2] if self.time_major or len(self.value.shape) == 2 else self.value.shape[0]

    @property
    def count(self) -> int:
        """How many steps there are."""
        return self.value.elements // (self.batch * self.width)

    @property
    def stride(self) -> int:
        """Elements from one sample to the next."""
        return self.samples * self.width

    def at(self, step: int) -> int:
        """Return how many elements lie before the first sample of a step."""
        return self.sample(step) * self.width + self.column

    def sample(self, step: int) -> int:
        """Return how many samples lie before the first of a step."""
        return step * (self.batch if self.time_major else 1)

    @property
    def samples(self) -> int:
        """How many samples it is from one of a step to the next."""
        return 1 if self.time_major else self.count


def steps(count: int, *, backward: bool) -> Iterator[int]:
    """Yield the steps in the order in which the layer takes them."""
    return iter(range(count - 1, -1, -1) if backward else range(count))


def require_sequences(x: Value, output: Value, *, time_major: bool) -> None:
    """Raise ModelError unless both are sequences of as many steps of as many samples."""
    require(len(x.shape) in (2, 3), f"input of {len(x.shape)} dimensions, expected 2 or 3")
    require(len(output.shape) == len(x.shape), f"output {list(output.shape)} of input {list(x.shape)}")
    require(
        output.shape[:-1] == x.shape[:-1],
        f"output {output.name!r} is {list(output.shape)}, but its input is {list(x.shape)}",
    )
    require(len(x.shape) == 3 or time_major, "one step without time that is not time-major")


def require_weights_of(value: Value, dtype: str, shape: tuple[int, ...]) -> None:
    """Raise ModelError unless the value is a constant like that."""
    require(value.is_constant, "weights that are not constant")
    require(value.dtype == dtype, f"tensor {value.name!r} is {value.dtype}, expected {dtype}")
    require(value.shape == shape, f"tensor {value.name!r} is {list(value.shape)}, expected {list(shape)}")


def results_of(node: Node, forward: int, backward: int) -> tuple[Value, Value, int]:
    """Return where two layers write, with so many results each, and the column at which the second begins.

    Two results of the node hold one layer each; one holds both, side by side.
    """
    results = [value for value in node.outputs if value not in node.inputs]
    if len(results) == 2:
        require_width(results[0], forward)
        require_width(results[1], backward)
        return results[0], results[1], 0
    require(len(results) == 1, f"has {len(results)} results, expected 1 or 2")
    require_width(results[0], forward + backward)
    return results[0], results[0], forward


def require_width(output: Value, results: int) -> None:
    """Raise ModelError unless the vectors of an output are just as long as its layers make them."""
    width = output.shape[-1] if output.shape else 0
    require(width == results, f"output {output.name!r} is {list(output.shape)}, but there are {results} results")
