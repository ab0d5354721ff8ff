"""rnn: a plain recurrent layer, out = activation(W x + R h + b), where h is the last result.

Inputs x [T, N, K], [N, T, K] or [N, K], weights [U, K], weights of the last result [U, U], bias [U], state [N, U];
outputs y and the state. bidirectional_rnn has weights, bias and state twice, the second backward in time; their results
stand side by side in one output, or in two. float32, also with int8 weights (hybrid), see dynamic_range.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.dynamic_range import (
    HybridWeights,
    hybrid_product,
    is_dynamic_range,
    require_hybrid_weights,
    rounding,
)
from edge_sdk.compiler.ops.fixed_point import UNLIMITED
from edge_sdk.compiler.ops.op import KernelCall, Op, contents, operands, require, require_states, tensor
from edge_sdk.compiler.ops.recurrence import (
    CELL_ACTIVATIONS,
    Sequence,
    require_sequences,
    require_weights_of,
    require_width,
    results_of,
    steps,
)


@dataclass(frozen=True)
class RnnAttributes:
    """Attributes of rnn and bidirectional_rnn; asymmetric: how values are rounded where the weights are int8."""

    activation: str = "none"
    time_major: bool = True
    asymmetric: bool = False


class Rnn(Op):
    """One layer, forward in time."""

    def check(self, node: Node) -> None:
        require_states(node, *node.inputs[4:5])
        operands(node, 5, outputs=2)
        require_width(node.output, tensor(node, 4).shape[-1])
        _check_layer(_layer(node, 1, node.output))

    def lower(self, node: Node) -> list[KernelCall]:
        return list(_lower_layer(_layer(node, 1, node.output)))


class BidirectionalRnn(Op):
    """Two layers, one of them backward in time."""

    def check(self, node: Node) -> None:
        require_states(node, *node.inputs[4:9:4])
        require(len(node.outputs) in (3, 4), f"has {len(node.outputs)} outputs")
        operands(node, 9, outputs=len(node.outputs))
        for layer in self._layers(node):
            # The reference reads other elements than those of the step, and past the end.
            astray = layer.is_hybrid and layer.attributes.time_major and layer.x.count > 1
            require(not astray, "int8 weights of float activations where time comes first")
            _check_layer(layer)

    def lower(self, node: Node) -> list[KernelCall]:
        return [call for layer in self._layers(node) for call in _lower_layer(layer)]

    def _layers(self, node: Node) -> list[_Layer]:
        forward, backward, column = results_of(node, tensor(node, 4).shape[-1], tensor(node, 8).shape[-1])
        return [_layer(node, 1, forward), _layer(node, 5, backward, column=column, backward=True)]


@dataclass(frozen=True)
class _Layer:
    """One direction of a node."""

    node: Node
    attributes: RnnAttributes
    x: Sequence
    y: Sequence
    backward: bool
    weights: Value
    recurrent: Value
    bias: Value
    state: Value

    @property
    def is_hybrid(self) -> bool:
        return is_dynamic_range(self.x.value, self.weights)


def _layer(node: Node, first: int, output: Value, *, column: int = 0, backward: bool = False) -> _Layer:
    attributes: RnnAttributes = node.attributes
    x = tensor(node)
    require_sequences(x, output, time_major=attributes.time_major)
    return _Layer(
        node,
        attributes,
        Sequence(x, attributes.time_major),
        Sequence(output, attributes.time_major, column),
        backward,
        *(tensor(node, first + index) for index in range(4)),
    )


def _check_layer(layer: _Layer) -> None:
    units = layer.state.shape[-1]
    for value in (layer.x.value, layer.y.value, layer.state):
        require(value.dtype == "float32", f"{value.dtype} tensors")
    require(layer.attributes.activation in CELL_ACTIVATIONS, f"the activation {layer.attributes.activation}")
    for weights, width in ((layer.weights, layer.x.width), (layer.recurrent, units)):
        if layer.is_hybrid:
            require_hybrid_weights(weights, (units, width))
        else:
            require_weights_of(weights, "float32", (units, width))
    require_weights_of(layer.bias, "float32", (units,))
    require(layer.state.elements == layer.x.batch * units, f"state {layer.state.name!r} is {list(layer.state.shape)}")


def _lower_layer(layer: _Layer) -> Iterator[KernelCall]:
    node, x, y, units = layer.node, layer.x, layer.y, layer.state.shape[-1]
    sums = Value(f"{node.name} sums", "float32", (x.batch, units))
    products = _hybrid_products(layer, sums) if layer.is_hybrid else _float_products(layer, sums)
    for step in steps(x.count, backward=layer.backward):
        yield from products(step)
        yield KernelCall(
            node=node.name,
            op=node.op,
            kernel="rnn_cell_f32",
            numbers={
                "batch": x.batch,
                "units": units,
                "gate_count": 1,
                "activation": CELL_ACTIVATIONS[layer.attributes.activation],
                "output_at": y.at(step),
                "output_stride": y.stride,
            },
            reads={"gates": sums},
            writes={"output": y.value, "kept": layer.state},
        )


def _float_products(layer: _Layer, sums: Value) -> Callable[[int], list[KernelCall]]:
    node, x, units = layer.node, layer.x, layer.state.shape[-1]
    constants = {
        "input_weights": contents(layer.weights),
        "recurrent_weights": contents(layer.recurrent),
        "bias": np.ascontiguousarray(contents(layer.bias)),
    }

    def product(step: int) -> list[KernelCall]:
        numbers: dict[str, int | float] = {
            "batch": x.batch,
            "input_c": x.width,
            "recurrent_c": units,
            "units": units,
            "input_at": x.at(step),
            "input_stride": x.stride,
            "output_stride": units,
        }
        call = KernelCall(
            node=node.name,
            op=node.op,
            kernel="gates_f32",
            numbers=numbers | UNLIMITED,
            reads={"input": x.value, "recurrent": layer.state},
            writes={"output": sums},
            constants=constants,
            macs=x.batch * units * (x.width + units),
        )
        return [call]

    return product


def _hybrid_products(layer: _Layer, sums: Value) -> Callable[[int], list[KernelCall]]:
    """What meets int8 weights is rounded first, x for all steps at once."""
    node, x, units = layer.node, layer.x, layer.state.shape[-1]
    symmetric = not layer.attributes.asymmetric
    weights, recurrent = HybridWeights.of([layer.weights]), HybridWeights.of([layer.recurrent])
    bias = np.ascontiguousarray(contents(layer.bias))
    rounded, waiting = rounding(node, x.value, width=x.width, symmetric=symmetric, name="x")

    def product(step: int) -> list[KernelCall]:
        state, calls = rounding(node, layer.state, width=units, symmetric=symmetric, name="state")
        places = {"batch": x.batch, "input_at": x.sample(step), "input_stride": x.samples, "output_stride": units}
        call = hybrid_product(
            node,
            rounded,
            weights,
            numbers=UNLIMITED | places,
            writes={"output": sums},
            recurrent=(state, recurrent),
            bias=bias,
        )
        before, waiting[:] = list(waiting), []
        return [*before, *calls, call]

    return product
