"""The kernel calls of an lstm layer: for each step in time the gates' dense part, the cell, the projection.

All steps share the weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.compiler.graph import Value
from edge_sdk.compiler.ops.dynamic_range import HybridWeights, Rounded, dequantized, hybrid_product, rounding
from edge_sdk.compiler.ops.fixed_point import UNLIMITED
from edge_sdk.compiler.ops.lstm_int8 import Int8Factors, less_zero_point
from edge_sdk.compiler.ops.lstm_layer import LstmLayer
from edge_sdk.compiler.ops.op import KernelCall, contents, per_tensor
from edge_sdk.compiler.ops.recurrence import CELL_ACTIVATIONS, steps


def lower_layer(layer: LstmLayer) -> Iterator[KernelCall]:
    """Yield the calls of all steps in time."""
    make = CALLS[layer.form](layer)
    yield from make.first()
    for step in steps(layer.x.count, backward=layer.backward):
        yield from make.step(step)


class _Calls:
    """What the steps of a layer share: weights, and what lies between its kernels."""

    cell_kernel = "lstm_cell_f32"

    def __init__(self, layer: LstmLayer) -> None:
        self.layer = layer
        node, batch = layer.node, layer.x.batch
        self.gate_count = len(layer.input_weights)
        self.gates = Value(f"{node.name} gates", layer.cells.dtype, (batch, self.gate_count, layer.units))
        self.hidden = Value(f"{node.name} hidden", layer.x.value.dtype, (batch, layer.units))
        self.cell_constants: dict[str, NDArray[Any]] = {}
        if layer.peephole:
            self.cell_constants["peephole"] = np.concatenate([self.peephole(value) for value in layer.peephole])

    def peephole(self, weights: Value) -> NDArray[Any]:
        return contents(weights)

    def first(self) -> Iterable[KernelCall]:
        """Return what all steps need."""
        return ()

    def step(self, step: int) -> Iterator[KernelCall]:
        raise NotImplementedError

    def float_bias(self) -> NDArray[np.float32] | None:
        """Return the bias of all gates; None where it is the cell's, which normalises first."""
        bias: NDArray[np.float32] = np.concatenate([contents(value) for value in self.layer.biases])
        if not self.layer.norms:
            return bias
        self.cell_constants["norm"] = np.concatenate([contents(value) for value in self.layer.norms])
        self.cell_constants["norm_bias"] = bias
        return None

    def projection_limits(self) -> dict[str, int | float]:
        """Return the bounds of float results."""
        clip = self.layer.attributes.projection_clip
        return {"act_min": -clip, "act_max": clip} if clip > 0 else dict(UNLIMITED)

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
            self.cell_kernel,
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
        bias = self.float_bias()
        if bias is not None:
            self.constants["bias"] = bias
        self.projection: dict[str, NDArray[Any]] = {}
        if layer.projection is not None:
            self.projection["input_weights"] = contents(layer.projection)
        if layer.projection_bias is not None:
            self.projection["bias"] = contents(layer.projection_bias)

    def step(self, step: int) -> Iterator[KernelCall]:
        layer, units = self.layer, self.gate_count * self.layer.units
        yield self.call(
            "gates_f32",
            self.x_part(step) | UNLIMITED | {"units": units, "output_at": 0, "output_stride": units},
            macs=layer.x.batch * units * (layer.x.width + layer.results.shape[-1]),
            reads={"input": layer.x.value, "recurrent": layer.results},
            writes={"output": self.gates},
            constants=self.constants,
        )
        yield self.cell(step, {"cell_clip": layer.attributes.cell_clip})
        if layer.projection is not None:
            yield self.projected(step, "gates_f32", self.projection_limits(), **self.projection)


class _HybridCalls(_Calls):
    """Float activations with int8 weights: what meets them is rounded first, x for all steps at once."""

    def __init__(self, layer: LstmLayer) -> None:
        super().__init__(layer)
        self.bias = self.float_bias()
        self.x, self.x_calls = self.rounded(layer.x.value, layer.x.width, "x")
        self.weights = HybridWeights.of(layer.input_weights)
        self.recurrent_weights = HybridWeights.of(layer.recurrent_weights)
        self.projection = HybridWeights.of([layer.projection]) if layer.projection is not None else None
        self.projection_bias = contents(layer.projection_bias) if layer.projection_bias is not None else None

    def peephole(self, weights: Value) -> NDArray[Any]:
        return dequantized(weights)

    def rounded(self, value: Value, width: int, name: str) -> tuple[Rounded, list[KernelCall]]:
        symmetric = not self.layer.attributes.asymmetric
        return rounding(self.layer.node, value, width=width, symmetric=symmetric, name=name)

    def first(self) -> Iterable[KernelCall]:
        return self.x_calls

    def step(self, step: int) -> Iterator[KernelCall]:
        layer, x = self.layer, self.layer.x
        results, calls = self.rounded(layer.results, layer.results.shape[-1], "results")
        yield from calls
        units = self.gate_count * layer.units
        yield hybrid_product(
            layer.node,
            self.x,
            self.weights,
            numbers=UNLIMITED
            | {"batch": x.batch, "input_at": x.sample(step), "input_stride": x.samples, "output_stride": units},
            writes={"output": self.gates},
            recurrent=(results, self.recurrent_weights),
            bias=self.bias,
        )
        yield self.cell(step, {"cell_clip": layer.attributes.cell_clip})
        if self.projection is not None:
            yield from self.project(step, self.projection)

    def project(self, step: int, weights: HybridWeights) -> Iterator[KernelCall]:
        layer = self.layer
        hidden, calls = self.rounded(self.hidden, layer.units, "hidden")
        yield from calls
        yield hybrid_product(
            layer.node,
            hidden,
            weights,
            numbers=self.y_part(step) | self.projection_limits() | {"batch": layer.x.batch, "input_stride": 1},
            writes={"output": layer.y.value, "kept": layer.results},
            bias=self.projection_bias,
        )


class _Int8Calls(_Calls):
    cell_kernel = "lstm_cell_s8"

    def __init__(self, layer: LstmLayer) -> None:
        super().__init__(layer)
        self.factors = Int8Factors(layer)
        input_zero, state_zero = per_tensor(layer.x.value).zero_point, per_tensor(layer.results).zero_point
        self.constants: list[dict[str, NDArray[Any]]] = [
            {
                "input_weights": contents(weights),
                "recurrent_weights": contents(recurrent),
                "bias": less_zero_point(weights, input_zero, bias),
                "recurrent_bias": less_zero_point(recurrent, state_zero, None),
            }
            for weights, recurrent, bias in zip(layer.input_weights, layer.recurrent_weights, layer.biases, strict=True)
        ]
        self.projection: dict[str, NDArray[Any]] = {}
        if layer.projection is not None:
            zero_point = self.factors.hidden_zero_point
            self.projection["input_weights"] = contents(layer.projection)
            self.projection["bias"] = less_zero_point(layer.projection, -zero_point, layer.projection_bias)

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


CALLS: dict[str, type[_Calls]] = {"f32": _FloatCalls, "hybrid": _HybridCalls, "s8": _Int8Calls}
