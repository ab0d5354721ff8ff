"""rnn: a plain recurrent layer, out = activation(W x + R h + b), where h is the last result.

Inputs x [T, N, K], [N, T, K] or [N, K], weights [U, K], weights of the last result [U, U], bias [U], state [N, U];
outputs y and the state. bidirectional_rnn has weights, bias and state twice, the second backward in time; their results
stand side by side in one output, or in two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge_sdk.compiler.graph import Node, Value
from edge_sdk.compiler.ops.fixed_point import FLOAT32_MAX
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
    """Attributes of rnn and bidirectional_rnn."""

    activation: str = "none"
    time_major: bool = True


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
    require_weights_of(layer.weights, "float32", (units, layer.x.width))
    require_weights_of(layer.recurrent, "float32", (units, units))
    require_weights_of(layer.bias, "float32", (units,))
    require(layer.state.elements == layer.x.batch * units, f"state {layer.state.name!r} is {list(layer.state.shape)}")


def _lower_layer(layer: _Layer) -> Iterator[KernelCall]:
    node, x, y, units = layer.node, layer.x, layer.y, layer.state.shape[-1]
    sums = Value(f"{node.name} sums", "float32", (x.batch, units))
    constants = {
        "input_weights": contents(layer.weights),
        "recurrent_weights": contents(layer.recurrent),
        "bias": np.ascontiguousarray(contents(layer.bias)),
    }
    for step in steps(x.count, backward=layer.backward):
        numbers: dict[str, int | float] = {
            "batch": x.batch,
            "input_c": x.width,
            "recurrent_c": units,
            "units": units,
            "input_at": x.at(step),
            "input_stride": x.stride,
            "output_stride": units,
            "act_min": -FLOAT32_MAX,
            "act_max": FLOAT32_MAX,
        }
        yield KernelCall(
            node=node.name,
            op=node.op,
            kernel="gates_f32",
            numbers=numbers,
            reads={"input": x.value, "recurrent": layer.state},
            writes={"output": sums},
            constants=constants,
            macs=x.batch * units * (x.width + units),
        )
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
