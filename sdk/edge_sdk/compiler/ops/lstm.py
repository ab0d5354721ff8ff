"""lstm: a long short-term memory layer over a sequence, with peepholes, projection and layer normalisation.

Inputs, None where the layer has no such part (C cells, R results; R = C without projection):

     0      x [T, N, K], [N, T, K] or [N, K]     12..15 bias of the four gates [C]
     1..4   weights of x, for the gates          16, 17 projection [R, C] and its bias [R]
            input, forget, update, output [C, K] 18, 19 states: last results [N, R] and cells [N, C]
     5..8   weights of the last results [C, R]   20..23 normalisation of the four gates [C]
     9..11  peephole: input, forget, output [C]

Without the weights of the input gate it is what the forget gate leaves (coupled gates). Outputs: y and the two states.

Each step in time is a few kernel calls: the gates' dense part, the cell, the projection; all steps share the weights.
int8 has cells and gates in int16 (lstm_eval.cc, LstmStepInteger8x8_16); its factors are made in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Node, Quantization, Value
from edge_sdk.compiler.ops.fixed_point import FLOAT32_MAX, INT8_MAX, INT8_MIN, quantize_multiplier
from edge_sdk.compiler.ops.op import (
    KernelCall,
    Op,
    contents,
    kernel_dtype,
    operands,
    per_tensor,
    require,
    require_states,
)
from edge_sdk.compiler.ops.recurrence import (
    CELL_ACTIVATIONS,
    Sequence,
    require_sequences,
    require_weights_of,
    require_width,
    steps,
)
from edge_sdk.errors import ModelError

INPUTS = 24
X, OUTPUT_STATE, CELL_STATE = 0, 18, 19
#: dtype of the activations -> dtypes of weights, biases and whatever touches the cells.
WEIGHTS = {"s8": "int8", "f32": "float32"}
BIASES = {"s8": "int32", "f32": "float32"}
CELLS = {"s8": "int16", "f32": "float32"}
#: Scales that the tanh of an integer cell knows, as powers of two.
CELL_SHIFTS = range(-15, -8)
#: Of gates in int16.
GATE_SCALE = np.float32(2.0**-12)


@dataclass(frozen=True)
class LstmAttributes:
    """Attributes of lstm.

    Attributes:
        activation: of the update and of the cell.
        cell_clip: cells stay in [-cell_clip, cell_clip]; 0: they need not.
        projection_clip: the same of what the projection gives.
        hidden: int8: quantisation of what goes into the projection or, without one, comes out.
    """

    activation: str = "tanh"
    cell_clip: float = 0.0
    projection_clip: float = 0.0
    time_major: bool = True
    hidden: Quantization | None = None


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
    def dtype(self) -> str:
        return kernel_dtype(self.x.value, self.y.value)


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


def check_layer(layer: LstmLayer) -> None:
    """Raise ModelError unless `lower_layer` can translate it exactly."""
    dtype, batch, units, depth = layer.dtype, layer.x.batch, layer.units, layer.x.width
    results = layer.results.shape[-1]
    attributes = layer.attributes
    # Without one the reference leaves its results where nobody looks for them.
    known = attributes.activation in CELL_ACTIVATIONS and attributes.activation != "none"
    require(known, f"cells with the activation {attributes.activation}")
    for clip in (attributes.cell_clip, attributes.projection_clip):
        require(bool(np.isfinite(clip)) and clip >= 0, f"clipping to {clip}")
    for weights in layer.input_weights:
        require_weights_of(weights, WEIGHTS[dtype], (units, depth))
    for weights in layer.recurrent_weights:
        require_weights_of(weights, WEIGHTS[dtype], (units, results))
    for bias in layer.biases:
        require_weights_of(bias, BIASES[dtype], (units,))
    for weights in (*layer.peephole, *layer.norms):
        require_weights_of(weights, CELLS[dtype], (units,))
    if layer.projection is not None:
        require_weights_of(layer.projection, WEIGHTS[dtype], (results, units))
        if layer.projection_bias is not None:
            require_weights_of(layer.projection_bias, BIASES[dtype], (results,))
    else:
        require(results == units, f"{results} results of {units} cells without a projection")
        require(layer.projection_bias is None, "a bias of no projection")
    for state, dtype_, size in ((layer.results, layer.x.value.dtype, results), (layer.cells, CELLS[dtype], units)):
        require(state.dtype == dtype_, f"state {state.name!r} is {state.dtype}, expected {dtype_}")
        require(state.elements == batch * size, f"state {state.name!r} is {list(state.shape)}")
    if dtype == "s8":
        _Int8Factors(layer)


def lower_layer(layer: LstmLayer) -> Iterator[KernelCall]:
    """Yield the calls of all steps in time."""
    make = _Int8Calls(layer) if layer.dtype == "s8" else _FloatCalls(layer)
    for step in steps(layer.x.count, backward=layer.backward):
        yield from make.step(step)


class _Calls:
    """What the steps of a layer share: weights, and what lies between its kernels."""

    def __init__(self, layer: LstmLayer) -> None:
        self.layer = layer
        node, batch, dtype = layer.node, layer.x.batch, layer.dtype
        self.gate_count = len(layer.input_weights)
        self.gates = Value(f"{node.name} gates", CELLS[dtype], (batch, self.gate_count, layer.units))
        self.hidden = Value(f"{node.name} hidden", layer.x.value.dtype, (batch, layer.units))
        self.cell_constants: dict[str, NDArray[Any]] = {}
        if layer.peephole:
            self.cell_constants["peephole"] = np.concatenate([contents(value) for value in layer.peephole])

    def step(self, step: int) -> Iterator[KernelCall]:
        raise NotImplementedError

    def call(self, kernel: str, numbers: dict[str, int | float], macs: int = 0, **values: Any) -> KernelCall:
        node = self.layer.node
        return KernelCall(node.name, node.op, kernel, numbers, macs=macs, **values)

    def x_part(self, step: int) -> dict[str, int | float]:
        x = self.layer.x
        return {
            "batch": x.batch,
            "input_c": x.width,
            "recurrent_c": self.layer.results.shape[-1],
            "input_at": x.at(step),
            "input_stride": x.stride,
        }

    def y_part(self, step: int) -> dict[str, int | float]:
        return {"output_at": self.layer.y.at(step), "output_stride": self.layer.y.stride}

    def cell(self, step: int, numbers: dict[str, int | float]) -> KernelCall:
        """Return the call that moves the cells; its results are the layer's own, or go to the projection."""
        layer = self.layer
        numbers = numbers | {
            "batch": layer.x.batch,
            "units": layer.units,
            "gate_count": self.gate_count,
            "activation": CELL_ACTIVATIONS[layer.attributes.activation],
        }
        if layer.projection is None:
            numbers |= self.y_part(step)
            writes = {"output": layer.y.value, "kept": layer.results, "cell": layer.cells}
        else:
            numbers["output_stride"] = layer.units
            writes = {"kept": self.hidden, "cell": layer.cells}
        return self.call(
            f"lstm_cell_{layer.dtype}",
            numbers,
            reads={"gates": self.gates},
            writes=writes,
            constants=self.cell_constants,
        )

    def projected(self, step: int, kernel: str, numbers: dict[str, int | float], **constants: Any) -> KernelCall:
        layer, results = self.layer, self.layer.results.shape[-1]
        numbers = numbers | self.y_part(step)
        numbers |= {"batch": layer.x.batch, "input_c": layer.units, "recurrent_c": 0, "units": results}
        numbers["input_stride"] = layer.units
        return self.call(
            kernel,
            numbers,
            macs=layer.x.batch * layer.units * results,
            reads={"input": self.hidden},
            writes={"output": layer.y.value, "kept": layer.results},
            constants=constants,
        )


class _FloatCalls(_Calls):
    def __init__(self, layer: LstmLayer) -> None:
        super().__init__(layer)
        self.constants: dict[str, NDArray[Any]] = {
            "input_weights": np.concatenate([contents(value) for value in layer.input_weights]),
            "recurrent_weights": np.concatenate([contents(value) for value in layer.recurrent_weights]),
        }
        bias = np.concatenate([contents(value) for value in layer.biases])
        if layer.norms:
            self.cell_constants["norm"] = np.concatenate([contents(value) for value in layer.norms])
            self.cell_constants["norm_bias"] = bias
        else:
            self.constants["bias"] = bias
        self.projection: dict[str, NDArray[Any]] = {}
        if layer.projection is not None:
            self.projection["input_weights"] = contents(layer.projection)
        if layer.projection_bias is not None:
            self.projection["bias"] = contents(layer.projection_bias)

    def step(self, step: int) -> Iterator[KernelCall]:
        layer, units = self.layer, self.gate_count * self.layer.units
        limits: dict[str, int | float] = {"act_min": -FLOAT32_MAX, "act_max": FLOAT32_MAX}
        yield self.call(
            "gates_f32",
            self.x_part(step) | limits | {"units": units, "output_at": 0, "output_stride": units},
            macs=layer.x.batch * units * (layer.x.width + layer.results.shape[-1]),
            reads={"input": layer.x.value, "recurrent": layer.results},
            writes={"output": self.gates},
            constants=self.constants,
        )
        yield self.cell(step, {"cell_clip": layer.attributes.cell_clip})
        if layer.projection is not None:
            clip = layer.attributes.projection_clip
            if clip > 0:
                limits = {"act_min": -clip, "act_max": clip}
            yield self.projected(step, "gates_f32", limits, **self.projection)


class _Int8Calls(_Calls):
    def __init__(self, layer: LstmLayer) -> None:
        super().__init__(layer)
        self.factors = _Int8Factors(layer)
        input_zero, state_zero = per_tensor(layer.x.value).zero_point, per_tensor(layer.results).zero_point
        self.constants: list[dict[str, NDArray[Any]]] = [
            {
                "input_weights": contents(weights),
                "recurrent_weights": contents(recurrent),
                "bias": _less_zero_point(weights, input_zero, bias),
                "recurrent_bias": _less_zero_point(recurrent, state_zero, None),
            }
            for weights, recurrent, bias in zip(layer.input_weights, layer.recurrent_weights, layer.biases, strict=True)
        ]
        self.projection: dict[str, NDArray[Any]] = {}
        if layer.projection is not None:
            zero_point = self.factors.hidden_zero_point
            self.projection["input_weights"] = contents(layer.projection)
            self.projection["bias"] = _less_zero_point(layer.projection, -zero_point, layer.projection_bias)

    def step(self, step: int) -> Iterator[KernelCall]:
        layer, units, factors = self.layer, self.layer.units, self.factors
        for gate, constants in enumerate(self.constants):
            numbers = factors.of_gate(gate) | self.x_part(step)
            numbers |= {"units": units, "output_at": gate * units, "output_stride": self.gate_count * units}
            yield self.call(
                "gates_s8",
                numbers,
                macs=layer.x.batch * units * (layer.x.width + layer.results.shape[-1]),
                reads={"input": layer.x.value, "recurrent": layer.results},
                writes={"output": self.gates},
                constants=constants,
            )
        yield self.cell(step, factors.of_cell())
        if layer.projection is not None:
            yield self.projected(step, "project_s8", factors.of_projection(), **self.projection)


def _less_zero_point(weights: Value, zero_point: int, bias: Value | None) -> NDArray[np.int32]:
    """Return the bias that lets a sum of raw steps times weights be the sum of centred ones; modulo 2^32."""
    total: NDArray[np.int64] = contents(weights).astype(np.int64).sum(1) * -zero_point
    if bias is not None:
        total = total + contents(bias)
    return total.astype(np.int32)


class _Int8Factors:
    """The requantisation constants of an int8 layer.

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
