"""bidirectional_lstm: two lstm layers over one sequence, the second backward in time.

Inputs: x, then the inputs 1 .. 23 of lstm for the forward layer, then those of the backward layer. Outputs: one in
which the results of both stand side by side, or one of each; then the states of both.
"""

from __future__ import annotations

from edge_sdk.compiler.graph import Node
from edge_sdk.compiler.ops.lstm import check_layer
from edge_sdk.compiler.ops.lstm_layer import CELL_STATE, INPUTS, OUTPUT_STATE, LstmAttributes, LstmLayer, lstm_layer
from edge_sdk.compiler.ops.lstm_steps import lower_layer
from edge_sdk.compiler.ops.op import KernelCall, Op, operands, require, require_states, tensor
from edge_sdk.compiler.ops.recurrence import results_of

#: Where the inputs of the backward layer, but x, begin.
SECOND = INPUTS


class BidirectionalLstm(Op):
    """Two layers, one of them backward in time."""

    def check(self, node: Node) -> None:
        states = [node.inputs[at : at + 1] for at in _STATES]
        require_states(node, *(value for found in states for value in found))
        require(len(node.outputs) in (5, 6), f"has {len(node.outputs)} outputs")
        operands(node, 1, SECOND + INPUTS - 1, outputs=len(node.outputs))
        for layer in self._layers(node):
            require(layer.form != "s8", f"{layer.x.value.dtype} tensors")
            # The reference takes the output's width for the states': those of other samples lie where nobody put them.
            side_by_side = layer.y.width != layer.results.shape[-1]
            wrong = side_by_side and layer.x.batch > 1 and not layer.attributes.time_major
            require(not wrong, "one output for both directions of several samples, each with its own time")
            check_layer(layer)

    def lower(self, node: Node) -> list[KernelCall]:
        return [call for layer in self._layers(node) for call in lower_layer(layer)]

    def _layers(self, node: Node) -> list[LstmLayer]:
        attributes: LstmAttributes = node.attributes
        sizes = [tensor(node, at).shape[-1] for at in _STATES[::2]]
        forward, backward, column = results_of(node, *sizes)
        first, second = node.inputs[:SECOND], node.inputs[:1] + node.inputs[SECOND:]
        return [
            lstm_layer(node, first, attributes, forward),
            lstm_layer(node, second, attributes, backward, column=column, backward=True),
        ]


#: Results and cells of the forward layer, of the backward layer.
_STATES = (OUTPUT_STATE, CELL_STATE, SECOND + OUTPUT_STATE - 1, SECOND + CELL_STATE - 1)
