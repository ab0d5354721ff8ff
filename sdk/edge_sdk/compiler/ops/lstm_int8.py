"""The integers of int8 lstm layers: cells and gates in int16 (lstm_eval.cc, LstmStepInteger8x8_16).

Factors are made in float32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.ops.fixed_point import INT8_MAX, INT8_MIN, quantize_multiplier
from edge_sdk.compiler.ops.lstm_layer import LstmLayer
from edge_sdk.compiler.ops.op import contents, per_tensor, require
from edge_sdk.errors import ModelError

#: Scales that the tanh of an integer cell knows, as powers of two.
CELL_SHIFTS = range(-15, -8)
#: Of gates in int16.
GATE_SCALE = np.float32(2.0**-12)


def less_zero_point(weights: Value, zero_point: int, bias: Value | None) -> NDArray[np.int32]:
    """Return the bias that lets a sum of raw steps times weights be the sum of centred ones; modulo 2^32."""
    total: NDArray[np.int64] = contents(weights).astype(np.int64).sum(1) * -zero_point
    if bias is not None:
        total = total + contents(bias)
    return total.astype(np.int32)


class Int8Factors:
    """The requantisation constants of one layer.

    Raises:
        ModelError: a scale is missing, or the layer is one that the reference or the kernels do not have.
    """

    def __init__(self, layer: LstmLayer) -> None:
        self.layer = layer
        attributes = layer.attributes
        require(attributes.activation == "tanh", f"int8 with the activation {attributes.activation}, expected tanh")
        require(not layer.norms, "int8 with layer normalisation")
        # The reference steps through peepholes by the number of results.
        straight = not layer.peephole or layer.results.shape[-1] == layer.units
        require(straight, "int8 with peepholes and a projection to another size")
        if attributes.hidden is None:
            raise ModelError("int8 without the quantisation of its hidden tensor")
        hidden = per_tensor(Value("hidden", "int8", (), attributes.hidden))
        self.hidden_zero_point = hidden.zero_point
        self.hidden_scale = hidden.scales[0]
        self.input_scale, self.state_scale = (per_tensor(v).scales[0] for v in (layer.x.value, layer.results))
        cell_scale = _centred(layer.cells)
        self.cell_shift = round(float(np.log2(cell_scale)))
        exact = abs(float(np.log2(cell_scale)) - self.cell_shift) < 1e-3  # as near as the reference wants it
        require(exact and self.cell_shift in CELL_SHIFTS, f"cells with scale {cell_scale}, expected 2^-15 .. 2^-9")
        for gate in range(len(layer.input_weights)):
            self.of_gate(gate)
        self.of_cell()
        self.of_projection()

    def of_gate(self, gate: int) -> dict[str, int | float]:
        weights, recurrent = self.layer.input_weights[gate], self.layer.recurrent_weights[gate]
        return {
            **_factor("", _centred(weights) * self.input_scale / GATE_SCALE),
            **_factor("recurrent_", _centred(recurrent) * self.state_scale / GATE_SCALE),
        }

    def of_cell(self) -> dict[str, int | float]:
        layer = self.layer
        numbers: dict[str, int | float] = {"cell_shift": self.cell_shift}
        clip = np.float32(layer.attributes.cell_clip) / layer.cells.quantization.scales[0]  # type: ignore[union-attr]
        numbers["cell_clip"] = int(min(clip, 32767.0))
        numbers |= _factor("hidden_", np.float32(2.0**-15 / float(self.hidden_scale) * 2.0**-15))
        # What goes into a projection has its zero point subtracted, not added.
        numbers["hidden_zero_point"] = self.hidden_zero_point * (1 if layer.projection is None else -1)
        names = ("input_", "forget_", "output_")[3 - len(layer.peephole) :]
        for name, weights in zip(names, layer.peephole, strict=True) if layer.peephole else ():
            factor = np.float32(2.0**self.cell_shift * float(_centred(weights)) / float(GATE_SCALE))
            numbers |= _factor(name, factor)
        return numbers

    def of_projection(self) -> dict[str, int | float]:
        layer = self.layer
        if layer.projection is None:
            return {}
        numbers = _factor("", _centred(layer.projection) * self.hidden_scale / self.state_scale)
        clip = np.float32(layer.attributes.projection_clip) / per_tensor(layer.y.value).scales[0]
        limit = int(min(clip, 127.0))
        return {
            **numbers,
            "output_zero_point": per_tensor(layer.results).zero_point,
            "act_min": -limit if limit else INT8_MIN,
            "act_max": limit if limit else INT8_MAX,
        }


def _factor(name: str, factor: np.float32) -> dict[str, int | float]:
    require(bool(np.isfinite(factor)), "the ratio of its scales is no finite number")
    multiplier, shift = quantize_multiplier(float(factor))
    return {f"{name}multiplier": multiplier, f"{name}shift": shift}


def _centred(value: Value) -> np.float32:
    """Return the scale of a tensor whose zero point is 0."""
    q = per_tensor(value)
    require(q.zero_point == 0, f"tensor {value.name!r} has zero point {q.zero_point}, expected 0")
    scale: np.float32 = q.scales[0]
    return scale
