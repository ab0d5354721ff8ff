"""Do integer models compute in integers? They run on kernels in which every float instruction is a trap.

Three things are looked at: the code that the converter emits, by its instructions; random uses of every operator whose
tensors are integers; and each node of the real models by itself. An operator that traps has to stand in FLOAT_OPS,
with the reason, and one that stands there and never traps has to go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert
from edge_sdk.errors import SandboxError
from edge_sdk.runtime import sandbox
from edge_sdk.tensor import DTYPE_BYTES
from tests.conformance.case import Draw
from tests.conformance.cases import CASES, op_of
from tests.conformance.engines import run
from tests.conformance.graphs import convert_graph, nodes_alone
from tests.conformance.models import single_op_model
from tests.conformance.wasm_code import float_instructions, with_trapping_floats
from tests.real.oracle import Arrays

FLOATS = ("float32", "float64", "float16")
INTEGERS = frozenset(DTYPE_BYTES) - frozenset(FLOATS)
SIDES = ("inputs", "outputs")

#: Rows of OPS that compute with floats although all their tensors are integers -> why.
FLOAT_OPS: dict[str, str] = {
    "depthwise_conv2d": "the product of sum and multiplier is taken in float64 where that is exact, the same integer",
    "fully_connected": "the reference itself rescales its sums in float64",
    "resize_bilinear": "the reference itself blends uint8 pixels in float32",
}


@contextmanager
def floats_trapping() -> Iterator[None]:
    """Let the sandbox run kernels in which every float instruction is a trap."""
    kernels_wasm = sandbox.kernels_wasm
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "kernels_wasm", lambda name: with_trapping_floats(kernels_wasm(name)))
        sandbox.kernels_for.cache_clear()
        try:
            yield
        finally:
            sandbox.kernels_for.cache_clear()


def meets_float(module: bytes, calls: list[Arrays]) -> bool:
    """Return whether these calls of a module meet a float instruction; to be asked under `floats_trapping`."""
    if float_instructions(module):
        return True
    try:
        run(module, "sandbox", calls)
    except SandboxError as error:
        if "unreachable" not in str(error):
            raise
        return True
    return False


def try_generated(seed: int, count: int) -> tuple[set[str], set[str]]:
    """Return (rows of OPS that were tried on integers alone, those of them that met a float instruction)."""
    tried, found = set(), set()
    with floats_trapping():
        for case, row in CASES.items():
            for dtype in row.dtypes:
                for generated in (single_op_model(case, dtype, seed + number) for number in range(count)):
                    conversion = convert(generated.data, name="case")
                    if any(border["dtype"] in FLOATS for side in SIDES for border in conversion.manifest[side]):
                        continue
                    tried.add(op_of(case))
                    if meets_float(conversion.module, generated.draw(seed)):
                        found.add(op_of(case))
    return tried, found


def try_nodes(data: bytes, seed: int) -> tuple[set[str], set[str]]:
    """Return the same of the nodes of a model, each by itself on random inputs."""
    tried, found = set(), set()
    rng = np.random.default_rng(seed)
    with floats_trapping():
        for node, graph in nodes_alone(data):
            if any(value.dtype not in INTEGERS for value in (*graph.inputs, *graph.outputs)):
                continue
            tried.add(node.op)
            call = [Draw().array(rng, value.shape, value.dtype) for value in graph.inputs]
            if meets_float(convert_graph(graph).module, [call]):
                found.add(node.op)
    return tried, found
