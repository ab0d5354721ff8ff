"""Cases become .tflite files, with what is needed to try and to judge them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge_sdk.compiler.importers.tflite import schema
from tests.conformance.case import Case, Draw, Row
from tests.conformance.cases import CASES
from tests.unit.compiler import tflite_writer as tflite

#: Operators of one model: with a few inputs each they stay below the 64 that a module may have.
SIDE_BY_SIDE = 16


@dataclass(frozen=True)
class Input:
    """One input of a generated model."""

    dtype: str
    shape: tuple[int, ...]
    draw: Draw


@dataclass(frozen=True)
class Use:
    """One use of an operator in a generated model, and which of the model's outputs are its own."""

    case: str
    row: Row
    outputs: slice


@dataclass(frozen=True)
class Generated:
    """A model file, its inputs and whose its outputs are."""

    data: bytes
    inputs: list[Input]
    uses: list[Use]

    @property
    def calls(self) -> int:
        return max(use.row.calls for use in self.uses)

    @property
    def kernels(self) -> str:
        """Which of the oracle's kernels are the truth; the same for all uses."""
        return self.uses[0].row.kernels

    def draw(self, seed: int) -> list[list[np.ndarray]]:
        """Return the inputs of a sequence of calls."""
        rng = np.random.default_rng((seed, 1))
        return [[each.draw.array(rng, each.shape, each.dtype) for each in self.inputs] for _ in range(self.calls)]


def single_op_model(case: str, dtype: str, seed: int, *, magnitudes: bool = False) -> Generated:
    """Return a model with one random use of an operator."""
    return _generated([(case, dtype)], np.random.default_rng(seed), magnitudes)


def models_of_all_ops(dtype: str, seed: int, uses: int) -> list[Generated]:
    """Return models that hold `uses` random uses of every operator that has the dtype, SIDE_BY_SIDE in each."""
    rng = np.random.default_rng(seed)
    wanted = [(case, dtype) for case, row in CASES.items() if dtype in row.dtypes for _ in range(uses)]
    rng.shuffle(wanted)
    models = []
    for kernels in sorted({CASES[case].kernels for case, _ in wanted}):
        same = [each for each in wanted if CASES[each[0]].kernels == kernels]
        models += [_generated(same[at : at + SIDE_BY_SIDE], rng, False) for at in range(0, len(same), SIDE_BY_SIDE)]
    return models


def _generated(wanted: Iterable[tuple[str, str]], rng: np.random.Generator, magnitudes: bool) -> Generated:
    model = tflite.TfliteWriter()
    inputs: list[int] = []
    outputs: list[int] = []
    draws: dict[int, Draw] = {}
    uses = []
    for number, (name, dtype) in enumerate(wanted):
        case = Case(model, rng, dtype, f"{name} {number}", magnitudes=magnitudes)
        more_inputs, more_outputs = CASES[name].make(case)
        uses.append(Use(name, CASES[name], slice(len(outputs), len(outputs) + len(more_outputs))))
        inputs += more_inputs
        outputs += more_outputs
        draws |= case.draws
    data = model.finish(inputs, outputs)
    return Generated(data, [_input(model, index, draws.get(index, Draw())) for index in inputs], uses)


def _input(model: tflite.TfliteWriter, index: int, draw: Draw) -> Input:
    fields = model.tensors[index].fields
    shape = tuple(int(size) for size in fields[schema.Tensor.SHAPE])
    return Input(schema.TENSOR_TYPES[fields[schema.Tensor.TYPE][1]], shape, draw)
