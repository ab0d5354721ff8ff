"""A multi-layer perceptron in numpy: training with Adam, then int8 quantisation.

Training sees standardised features; the mean and deviation are folded into the first layer, so that the quantised
network takes the features as the pipeline makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from tflite_writer import Layer, Quantised

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mlp:
    """Weights [inputs, outputs] and biases; ReLU between the layers."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def activations(self, x: Floats) -> list[Floats]:
        """Return the result of every layer; the last one is the logits."""
        found = []
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias
            if index < len(self.weights) - 1:
                x = np.maximum(x, 0)
            found.append(x)
        return found

    def scores(self, x: Floats) -> Floats:
        return softmax(self.activations(x)[-1])


def softmax(logits: Floats) -> Floats:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = grown / grown.sum(axis=1, keepdims=True)
    return result


def train(
    x: Floats,
    y: NDArray[np.int64],
    hidden: Sequence[int],
    *,
    epochs: int,
    seed: int,
    rate: float = 2e-3,
    decay: float = 1e-4,
    noise: float = 0.0,
    shift: int = 0,
    batch: int = 128,
) -> Mlp:
    """Return a network trained on features [n, inputs] and classes [n].

    Args:
        decay: weight decay.
        noise: deviation of noise added to standardised features, against overfitting.
        shift: each batch is moved by up to so many features up or down. For bands on a logarithmic axis that is the
            same pattern at another frequency, so no band becomes special because of what training happened to hold.
    """
    rng = np.random.default_rng(seed)
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    sizes = [x.shape[1], *hidden, int(y.max()) + 1]
    weights = [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in pairwise(sizes)]
    parameters = weights + [np.zeros(b) for b in sizes[1:]]
    adam = _Adam(parameters)
    targets = np.eye(sizes[-1])[y]
    steps = max(1, len(x) // batch)
    for epoch in range(epochs):
        shrinking = rate * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        for rows in np.array_split(rng.permutation(len(x)), steps):
            moved = _moved(x[rows], int(rng.integers(-shift, shift + 1)))
            batch_x = (moved - mean) / deviation + noise * rng.standard_normal(moved.shape)
            adam.step(parameters, _gradients(parameters, batch_x, targets[rows], decay), shrinking)
    count = len(weights)
    first = parameters[0] / deviation[:, None]
    bias = parameters[count] - mean @ first
    return Mlp((first, *parameters[1:count]), (bias, *parameters[count + 1 :]))


def _moved(x: Floats, by: int) -> Floats:
    """Return the rows moved along the features; where nothing moves in, what was there stays."""
    moved: Floats = x.copy()
    if by > 0:
        moved[:, by:] = x[:, :-by]
    elif by < 0:
        moved[:, :by] = x[:, -by:]
    return moved


def _gradients(parameters: list[Floats], x: Floats, targets: Floats, decay: float) -> list[Floats]:
    count = len(parameters) // 2
    weights, biases = parameters[:count], parameters[count:]
    layers = [x, *Mlp(tuple(weights), tuple(biases)).activations(x)]
    slope = (softmax(layers[-1]) - targets) / len(x)
    weight_slopes: list[Floats] = []
    bias_slopes: list[Floats] = []
    for index in reversed(range(count)):
        weight_slopes.insert(0, layers[index].T @ slope + decay * weights[index])
        bias_slopes.insert(0, slope.sum(axis=0))
        if index:
            slope = (slope @ weights[index].T) * (layers[index] > 0)
    return weight_slopes + bias_slopes


class _Adam:
    """Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1."""

    def __init__(self, parameters: Sequence[Floats]) -> None:
        self._first = [np.zeros_like(p) for p in parameters]
        self._second = [np.zeros_like(p) for p in parameters]
        self._count = 0

    def step(self, parameters: list[Floats], gradients: Sequence[Floats], rate: float) -> None:
        self._count += 1
        for p, g, first, second in zip(parameters, gradients, self._first, self._second, strict=True):
            first += 0.1 * (g - first)
            second += 0.001 * (g * g - second)
            p -= rate * (first / (1 - 0.9**self._count)) / (np.sqrt(second / (1 - 0.999**self._count)) + 1e-8)


def quantise(network: Mlp, x: Floats) -> tuple[Quantised, list[Layer]]:
    """Return the network in int8, its ranges taken from the features `x`."""
    source = _range(x)
    scale, layers = source.scale, []
    for index, values in enumerate(network.activations(x)):
        weight, bias = network.weights[index], network.biases[index]
        weight_scale = float(np.float32(np.abs(weight).max() / 127))
        whole = np.round(weight.T / weight_scale).astype(np.int8)
        offset = np.round(bias / (scale * weight_scale)).astype(np.int32)
        output = _range(values)
        layers.append(Layer(whole, offset, weight_scale, output, relu=index < len(network.weights) - 1))
        scale = output.scale
    return source, layers


def _range(values: Floats) -> Quantised:
    """Return a range that holds 0 and all but the rarest values: better clip an outlier than round all the rest."""
    low, high = np.quantile(values, [0.0005, 0.9995])
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max(high - low, 1e-6) / 255))
    return Quantised(scale, int(np.clip(np.round(-128 - low / scale), -128, 127)))
