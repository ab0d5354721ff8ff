"""What an lstm layer consists of: the inputs of its node by name."""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.compiler.graph import Node, Quantization, Value
from edge_sdk.compiler.ops.dynamic_range import is_dynamic_range
from edge_sdk.compiler.ops.op import kernel_dtype, require
from edge_sdk.compiler.ops.recurrence import Sequence, require_sequences
from edge_sdk.errors import ModelError

INPUTS = 24
X, OUTPUT_STATE, CELL_STATE = 0, 18, 19


@dataclass(frozen=True)
class LstmAttributes:
    """Attributes of lstm.

    Attributes:
        activation: of the update and of the cell.
        cell_clip: cells stay in [-cell_clip, cell_clip]; 0: they need not.
        projection_clip: the same of what the projection gives.
        hidden: int8: quantisation of what goes into the projection or, without one, comes out.
        asymmetric: how float values are rounded where the weights are int8.
    """

    activation: str = "tanh"
    cell_clip: float = 0.0
    projection_clip: float = 0.0
    time_major: bool = True
    hidden: Quantization | None = None
    asymmetric: bool = False


@dataclass(frozen=True)
class LstmLayer:
    """One direction: the node's inputs by name.

    Attributes:
        gates: weights of x, weights of the last results, bias and normalisation of each gate there is.
        peephole: of each gate there is but the update.
    """

    node: Node
    attributes: LstmAttributes
    x: Sequence
    y: Sequence
    backward: bool
    input_weights: list[Value]
    recurrent_weights: list[Value]
    biases: list[Value]
    peephole: list[Value]
    norms: list[Value]
    projection: Value | None
    projection_bias: Value | None
    results: Value
    cells: Value

    @property
    def units(self) -> int:
        return self.cells.shape[-1]

    @property
    def form(self) -> str:
        """Its kind of arithmetic: "s8", "f32", or "hybrid", which has int8 weights and float activations."""
        dtype = kernel_dtype(self.x.value, self.y.value)
        return "hybrid" if dtype == "f32" and is_dynamic_range(self.x.value, self.input_weights[0]) else dtype


def lstm_layer(
    node: Node,
    inputs: list[Value | None],
    attributes: LstmAttributes,
    output: Value,
    *,
    column: int = 0,
    backward: bool = False,
) -> LstmLayer:
    """Give the inputs, in the order above, their names; at `column` of the output the layer's results begin.

    Raises:
        ModelError: a part is missing, or there where it has no use.
    """
    inputs = inputs + [None] * (INPUTS - len(inputs))
    x, results, cells = (inputs[index] for index in (X, OUTPUT_STATE, CELL_STATE))
    if x is None or results is None or cells is None:
        raise ModelError("a required input is missing")
    require_sequences(x, output, time_major=attributes.time_major)
    first = 0 if inputs[1] is not None else 1
    return LstmLayer(
        node=node,
        attributes=attributes,
        x=Sequence(x, attributes.time_major),
        y=Sequence(output, attributes.time_major, column),
        backward=backward,
        input_weights=_present(inputs[1 + first : 5], "weights of the input"),
        recurrent_weights=_present(inputs[5 + first : 9], "weights of the state"),
        biases=_present(inputs[12 + first : 16], "bias"),
        peephole=_all_or_none(inputs[9 + first : 12], "peephole"),
        norms=_all_or_none(inputs[20 + first : 24], "normalisation"),
        projection=inputs[16],
        projection_bias=inputs[17],
        results=results,
        cells=cells,
    )


def _present(values: list[Value | None], what: str) -> list[Value]:
    present = [value for value in values if value is not None]
    require(len(present) == len(values), f"{what} of {len(present)} gates, expected {len(values)}")
    return present


def _all_or_none(values: list[Value | None], what: str) -> list[Value]:
    return [] if all(value is None for value in values) else _present(values, what)
