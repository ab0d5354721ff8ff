"""lstm: a long short-term memory layer over a sequence, with peepholes, projection and layer normalisation.

Inputs, None where the layer has no such part (C cells, R results; R = C without projection):

     0      x [T, N, K], [N, T, K] or [N, K]     12..15 bias of the four gates [C]
     1..4   weights of x, for the gates          16, 17 projection [R, C] and its bias [R]
            input, forget, update, output [C, K] 18, 19 states: last results [N, R] and cells [N, C]
     5..8   weights of the last results [C, R]   20..23 normalisation of the four gates [C]
     9..11  peephole: input, forget, output [C]

Without the weights of the input gate it is what the forget gate leaves (coupled gates). Outputs: y and the two states.

float32; int8, see lstm_int8.py; float32 with int8 weights (hybrid), see dynamic_range.py.
"""

from __future__ import annotations

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.dynamic_range import require_hybrid_weights
from edge_sdk.compiler.ops.lstm_int8 import Int8Factors
from edge_sdk.compiler.ops.lstm_layer import CELL_STATE, INPUTS, OUTPUT_STATE, LstmAttributes, LstmLayer, lstm_layer
from edge_sdk.compiler.ops.lstm_steps import lower_layer
from edge_sdk.compiler.ops.op import KernelCall, Op, operands, require, require_states
from edge_sdk.compiler.ops.recurrence import CELL_ACTIVATIONS, require_weights_of, require_width

#: Form of a layer -> dtypes of its weights (hybrid ones: require_hybrid_weights), of biases, and of what touches cells.
WEIGHTS = {"s8": "int8", "f32": "float32"}
BIASES = {"s8": "int32", "f32": "float32", "hybrid": "float32"}
CELLS = {"s8": "int16", "f32": "float32", "hybrid": "float32"}


class Lstm(Op):
    """One layer, forward in time."""

    def check(self, node: Node) -> None:
        require_states(node, *node.inputs[OUTPUT_STATE : CELL_STATE + 1])
        operands(node, 1, INPUTS, outputs=3)
        layer = self._layer(node)
        require_width(node.output, layer.results.shape[-1])
        check_layer(layer)

    def lower(self, node: Node) -> list[KernelCall]:
        return list(lower_layer(self._layer(node)))

    def _layer(self, node: Node) -> LstmLayer:
        attributes: LstmAttributes = node.attributes
        return lstm_layer(node, node.inputs, attributes, node.output)


def check_layer(layer: LstmLayer) -> None:
    """Raise ModelError unless `lower_layer` can translate it exactly."""
    form, batch, units, depth = layer.form, layer.x.batch, layer.units, layer.x.width
    results = layer.results.shape[-1]
    attributes = layer.attributes
    # Without one the reference leaves its results where nobody looks for them.
    known = attributes.activation in CELL_ACTIVATIONS and attributes.activation != "none"
    require(known, f"cells with the activation {attributes.activation}")
    for clip in (attributes.cell_clip, attributes.projection_clip):
        require(bool(np.isfinite(clip)) and clip >= 0, f"clipping to {clip}")
    for weights in layer.input_weights:
        _require_weights(weights, form, (units, depth))
    for weights in layer.recurrent_weights:
        _require_weights(weights, form, (units, results))
    for bias in layer.biases:
        require_weights_of(bias, BIASES[form], (units,))
    for weights in layer.peephole:
        _require_weights(weights, form, (units,), CELLS)
    for weights in layer.norms:
        require_weights_of(weights, CELLS[form], (units,))
    if layer.projection is not None:
        _require_weights(layer.projection, form, (results, units))
        if layer.projection_bias is not None:
            require_weights_of(layer.projection_bias, BIASES[form], (results,))
    else:
        require(results == units, f"{results} results of {units} cells without a projection")
        require(layer.projection_bias is None, "a bias of no projection")
    for state, dtype_, size in ((layer.results, layer.x.value.dtype, results), (layer.cells, CELLS[form], units)):
        require(state.dtype == dtype_, f"state {state.name!r} is {state.dtype}, expected {dtype_}")
        require(state.elements == batch * size, f"state {state.name!r} is {list(state.shape)}")
    if form == "s8":
        Int8Factors(layer)


def _require_weights(value: Value, form: str, shape: tuple[int, ...], dtypes: dict[str, str] = WEIGHTS) -> None:
    if form == "hybrid":
        require_hybrid_weights(value, shape)
    else:
        require_weights_of(value, dtypes[form], shape)
