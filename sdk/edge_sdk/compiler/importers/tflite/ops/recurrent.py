"""Operators that keep state in variable tensors of the file."""

from __future__ import annotations

from typing import Any

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Row, Translation, fused_activation
from edge_sdk.compiler.ops.lstm_layer import LstmAttributes
from edge_sdk.compiler.ops.op import require
from edge_sdk.compiler.ops.rnn import RnnAttributes
from edge_sdk.compiler.ops.svdf import SvdfAttributes
from edge_sdk.errors import ModelError

#: ActivationFunctionType of cells -> name.
CELL_ACTIVATIONS = {**schema.ACTIVATIONS, 4: "tanh"}
#: Of the inputs of LSTM and UNIDIRECTIONAL_SEQUENCE_LSTM, and of one layer of the bidirectional operator.
LSTM_INPUTS, LAYER_INPUTS = 24, 17


def _svdf(operator: Operator) -> Translation:
    options = schema.SVDFOptions
    rank: int = operator.number(options.UNION, options.RANK, "i", 0)
    x, filters, time, bias, state = _padded(operator.inputs, 5)
    activation = fused_activation(operator, options.UNION, options.ACTIVATION)
    return "svdf", [x, filters, time, state, bias], SvdfAttributes(rank, activation, _asymmetric(operator, options))


def _padded(values: list[Value | None], count: int) -> list[Value | None]:
    require(len(values) <= count, f"has {len(values)} inputs, at most {count}")
    return values + [None] * (count - len(values))


def _activation(operator: Operator, options: Any) -> str:
    number: int = operator.number(options.UNION, options.ACTIVATION, "b", 0)
    if number not in CELL_ACTIVATIONS:
        raise ModelError(f"activation {number}")
    return CELL_ACTIVATIONS[number]


def _asymmetric(operator: Operator, options: Any) -> bool:
    """Return how floats that meet int8 weights are rounded."""
    asymmetric: bool = operator.number(options.UNION, options.ASYMMETRIC, "?", False)
    return asymmetric


def _lstm_attributes(operator: Operator, options: Any, *, time_major: bool) -> LstmAttributes:
    hidden = operator.intermediates[-1:]
    return LstmAttributes(
        activation=_activation(operator, options),
        cell_clip=operator.number(options.UNION, options.CELL_CLIP, "f", 0.0),
        projection_clip=operator.number(options.UNION, options.PROJ_CLIP, "f", 0.0),
        time_major=time_major,
        hidden=hidden[0].quantization if hidden else None,
        asymmetric=_asymmetric(operator, options),
    )


def _lstm(operator: Operator) -> Translation:
    options = schema.LSTMOptions
    require(operator.number(options.UNION, options.KERNEL_TYPE, "b", 0) == 0, "the basic kernel, expected the full one")
    inputs = _padded(operator.inputs, LSTM_INPUTS)
    return "lstm", inputs, _lstm_attributes(operator, options, time_major=True)


def _sequence_lstm(operator: Operator) -> Translation:
    options = schema.UnidirectionalSequenceLSTMOptions
    time_major: bool = operator.number(options.UNION, options.TIME_MAJOR, "?", False)
    inputs = _padded(operator.inputs, LSTM_INPUTS)
    return "lstm", inputs, _lstm_attributes(operator, options, time_major=time_major)


def _bidirectional_lstm(operator: Operator) -> Translation:
    """The file has x, the weights of both layers, the states of both, and what it adds to x from another layer."""
    options = schema.BidirectionalSequenceLSTMOptions
    time_major: bool = operator.number(options.UNION, options.TIME_MAJOR, "?", True)
    merge: bool = operator.number(options.UNION, options.MERGE_OUTPUTS, "?", False)
    inputs = _padded(operator.inputs, 48)
    require(all(value is None for value in inputs[39:]), "an auxiliary input")
    require(len(operator.outputs) == (1 if merge else 2), f"has {len(operator.outputs)} outputs")
    first, rest = inputs[:1], inputs[1 + 2 * LAYER_INPUTS :]
    layers = [
        inputs[at : at + LAYER_INPUTS] + rest[states : states + 2] + [None] * 4
        for at, states in ((1, 0), (1 + LAYER_INPUTS, 2))
    ]
    attributes = _lstm_attributes(operator, options, time_major=time_major)
    return "bidirectional_lstm", first + layers[0] + layers[1], attributes


def _rnn_attributes(operator: Operator, options: Any, *, time_major: bool = True) -> RnnAttributes:
    return RnnAttributes(_activation(operator, options), time_major, _asymmetric(operator, options))


def _rnn(operator: Operator) -> Translation:
    options = schema.RNNOptions
    return (
        "rnn",
        operator.inputs,
        RnnAttributes(_activation(operator, options), asymmetric=_asymmetric(operator, options)),
    )


def _sequence_rnn(operator: Operator) -> Translation:
    options = schema.SequenceRNNOptions
    time_major: bool = operator.number(options.UNION, options.TIME_MAJOR, "?", False)
    return (
        "rnn",
        operator.inputs,
        RnnAttributes(_activation(operator, options), time_major, _asymmetric(operator, options)),
    )


def _bidirectional_rnn(operator: Operator) -> Translation:
    options = schema.BidirectionalSequenceRNNOptions
    time_major: bool = operator.number(options.UNION, options.TIME_MAJOR, "?", False)
    merge: bool = operator.number(options.UNION, options.MERGE_OUTPUTS, "?", False)
    inputs = _padded(operator.inputs, 12)
    require(all(value is None for value in inputs[9:]), "an auxiliary input")
    require(len(operator.outputs) == (1 if merge else 2), f"has {len(operator.outputs)} outputs")
    return (
        "bidirectional_rnn",
        inputs[:9],
        RnnAttributes(_activation(operator, options), time_major, _asymmetric(operator, options)),
    )


OPERATORS: dict[str, Row] = {
    "BIDIRECTIONAL_SEQUENCE_LSTM": _bidirectional_lstm,
    "BIDIRECTIONAL_SEQUENCE_RNN": _bidirectional_rnn,
    "LSTM": _lstm,
    "RNN": _rnn,
    "SVDF": _svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _sequence_lstm,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _sequence_rnn,
}
