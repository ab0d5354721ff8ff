"""A multi-layer perceptron as a .tflite file, quantised or float: FULLY_CONNECTED layers and a SOFTMAX.

    input int8 [1, features] -> FC + RELU -> ... -> FC -> SOFTMAX -> int8 [1, classes], scale 1/256, zero point -128
    input float32            -> the same in float32

Field numbers and codes are those of the public schema, tensorflow/lite/schema/schema.fbs, version 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffer import Scalar, Table, Value, Vector, write
from numpy.typing import NDArray

FULLY_CONNECTED, SOFTMAX = 9, 25
FULLY_CONNECTED_OPTIONS, SOFTMAX_OPTIONS = 8, 9
FLOAT32, INT32, INT8 = 0, 2, 9
NONE, RELU = 0, 1
#: What the SOFTMAX kernel demands of an int8 output.
SOFTMAX_SCALE, SOFTMAX_ZERO = 1 / 256, -128


@dataclass(frozen=True)
class Quantised:
    """Scale and zero point of a tensor: real = scale * (integer - zero)."""

    scale: float
    zero: int


@dataclass(frozen=True)
class Layer:
    """One fully-connected layer.

    Attributes:
        weights: int8 [outputs, inputs], zero point 0.
        bias: int32 [outputs], scale = input scale * weight scale.
        weight_scale: of all weights.
        output: of the layer's result, after the activation.
        relu: whether negative results become 0.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    weight_scale: float
    output: Quantised
    relu: bool


def tflite(name: str, source: Quantised, layers: Sequence[Layer]) -> bytes:
    """Return the file of a network whose input is quantised as `source`."""
    graph = _Graph()
    classes = layers[-1].weights.shape[0]
    current, scale = (
        graph.tensor("features", (1, layers[0].weights.shape[1]), INT8, source.scale, source.zero),
        source.scale,
    )
    inputs = [current]
    for number, layer in enumerate(layers, 1):
        weights = graph.tensor(f"weights{number}", layer.weights.shape, INT8, layer.weight_scale, 0, layer.weights)
        bias = graph.tensor(f"bias{number}", layer.bias.shape, INT32, scale * layer.weight_scale, 0, layer.bias)
        shape = (1, layer.weights.shape[0])
        result = graph.tensor(f"layer{number}", shape, INT8, layer.output.scale, layer.output.zero)
        options = Table({0: Scalar("b", RELU if layer.relu else NONE)})
        graph.operator(0, [current, weights, bias], result, FULLY_CONNECTED_OPTIONS, options)
        current, scale = result, layer.output.scale
    scores = graph.tensor("scores", (1, classes), INT8, SOFTMAX_SCALE, SOFTMAX_ZERO)
    graph.operator(1, [current], scores, SOFTMAX_OPTIONS, Table({0: Scalar("f", 1.0)}))
    return graph.file(name, inputs, [scores])


def float_tflite(name: str, weights: Sequence[NDArray[Any]], biases: Sequence[NDArray[Any]]) -> bytes:
    """Return the file of a float network: weights [inputs, outputs], ReLU between the layers."""
    graph = _Graph()
    current = graph.tensor("features", (1, weights[0].shape[0]), FLOAT32)
    inputs = [current]
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
        turned = np.ascontiguousarray(weight.T, np.float32)
        constants = [
            graph.tensor(f"weights{number}", turned.shape, FLOAT32, data=turned),
            graph.tensor(f"bias{number}", bias.shape, FLOAT32, data=bias.astype(np.float32)),
        ]
        result = graph.tensor(f"layer{number}", (1, bias.size), FLOAT32)
        options = Table({0: Scalar("b", RELU if number < len(weights) else NONE)})
        graph.operator(0, [current, *constants], result, FULLY_CONNECTED_OPTIONS, options)
        current = result
    scores = graph.tensor("scores", (1, biases[-1].size), FLOAT32)
    graph.operator(1, [current], scores, SOFTMAX_OPTIONS, Table({0: Scalar("f", 1.0)}))
    return graph.file(name, inputs, [scores])


class _Graph:
    def __init__(self) -> None:
        self._tensors: list[Table] = []
        self._operators: list[Table] = []
        self._buffers: list[Table] = [Table({})]  # buffer 0 is the empty one of every tensor without data

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: int,
        scale: float | None = None,
        zero: int = 0,
        data: NDArray[Any] | None = None,
    ) -> int:
        buffer = 0
        if data is not None:
            raw = np.ascontiguousarray(data, data.dtype.newbyteorder("<")).tobytes()
            self._buffers.append(Table({0: Vector("B", raw, align=16)}))
            buffer = len(self._buffers) - 1
        fields: dict[int, Scalar | Value] = {
            0: Vector("i", shape),
            1: Scalar("b", dtype),
            2: Scalar("I", buffer),
            3: name,
        }
        if scale is not None:
            fields[4] = Table({2: Vector("f", [scale]), 3: Vector("q", [zero])})
        self._tensors.append(Table(fields))
        return len(self._tensors) - 1

    def operator(self, code: int, inputs: Sequence[int], output: int, options_type: int, options: Table) -> None:
        self._operators.append(
            Table(
                {
                    0: Scalar("I", code),
                    1: Vector("i", inputs),
                    2: Vector("i", [output]),
                    3: Scalar("B", options_type),
                    4: options,
                }
            )
        )

    def file(self, name: str, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        subgraph = Table(
            {0: self._tensors, 1: Vector("i", inputs), 2: Vector("i", outputs), 3: self._operators, 4: "main"}
        )
        # int8 FULLY_CONNECTED is version 4, int8 SOFTMAX version 2.
        codes = [
            Table({0: Scalar("b", code), 2: Scalar("i", version), 3: Scalar("i", code)})
            for code, version in ((FULLY_CONNECTED, 4), (SOFTMAX, 2))
        ]
        model = Table({0: Scalar("I", 3), 1: codes, 2: [subgraph], 3: name, 4: self._buffers})
        return write(model, b"TFL3")
