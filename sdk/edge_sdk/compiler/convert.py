"""A model file becomes a module: import, passes, lowering, memory, code.

    conversion = convert(Path("kws.tflite").read_bytes(), name="kws")
    Path("kws.wasm").write_bytes(conversion.module)

The same input gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import Any

import numpy as np

from edge_sdk import abi
from edge_sdk.compiler.codegen.layout import Layout, lay_out
from edge_sdk.compiler.codegen.linked import linked_module
from edge_sdk.compiler.codegen.program import encode_manifest, make_program
from edge_sdk.compiler.codegen.standalone import standalone_module
from edge_sdk.compiler.graph import Graph, Value
from edge_sdk.compiler.importers import import_model
from edge_sdk.compiler.passes import run_passes
from edge_sdk.compiler.passes.lower import lower
from edge_sdk.compiler.passes.memory_plan import plan_memory
from edge_sdk.compiler.passes.narrow_constants import narrow_constants
from edge_sdk.compiler.report import Report, make_report, sources_of
from edge_sdk.errors import ModelError
from edge_sdk.tensor import DTYPE_BYTES


@dataclass(frozen=True)
class Conversion:
    """What `convert` returns.

    Attributes:
        module: the WebAssembly module.
        manifest: the contents of its section `edge.manifest`.
        report: nodes, memory and work, for people.
    """

    module: bytes
    manifest: dict[str, Any]
    report: Report


# A scale of a damaged model may be so small that a quotient is infinite. That is clamped to the range of its dtype, or
# refused where it would be a multiplier; numpy has nothing to tell the user.
@np.errstate(over="ignore", divide="ignore")
def convert(data: bytes, *, name: str, standalone: bool = False, kernels: bytes | None = None) -> Conversion:
    """Convert a model file.

    Args:
        data: the file's bytes.
        name: the model's name, for the manifest and for messages.
        standalone: put the kernels into the module; it then imports nothing.
        kernels: the bytes of kernels.wasm; required with `standalone`.

    Raises:
        ModelError: the file is damaged, or holds something that cannot be converted; then the message lists all of it.
    """
    graph = import_model(data, name)
    return convert_graph(graph, source_sha256=sha256(data).hexdigest(), standalone=standalone, kernels=kernels)


@np.errstate(over="ignore", divide="ignore")
def convert_graph(
    graph: Graph, *, source_sha256: str, standalone: bool = False, kernels: bytes | None = None
) -> Conversion:
    """Convert a graph; the passes change it. Arguments, result and errors otherwise as of `convert`."""
    if standalone and kernels is None:
        raise ValueError("standalone=True needs kernels=, the bytes of kernels.wasm")
    name = graph.name
    sources = sources_of(graph)
    run_passes(graph)
    _require_arrays(graph)
    calls = lower(graph)
    narrow_constants(calls)
    plan = plan_memory(graph, calls)
    layout = lay_out(graph, calls, plan)
    program = make_program(layout)
    report = make_report(graph, layout, plan, sources)
    manifest: dict[str, Any] = {
        "abi": abi.ABI_VERSION,
        "name": name,
        "source_sha256": source_sha256,
        "form": "standalone" if standalone else "linked",
        **_borders(graph, layout),
        "nodes": [
            {
                "name": placed.call.node,
                "op": placed.call.op,
                "kernel": placed.kernel.name,
                "descriptors": list(placed.descriptors),
                "macs": placed.call.macs,
            }
            for placed in layout.calls
        ],
        "memory_bytes": layout.memory_bytes,
        "arena_bytes": layout.regions["arena"][1],
        "weights_bytes": layout.regions["weights"][1],
        "state_bytes": layout.regions["states"][1],
        "macs": report.macs,
    }
    encoded = encode_manifest(manifest)
    if kernels is not None and standalone:
        module = standalone_module(program, encoded, name, kernels)
    else:
        module = linked_module(program, encoded, name)
    return Conversion(module, manifest, report)


def _require_arrays(graph: Graph) -> None:
    for value in graph.inputs + graph.outputs:
        if value.dtype not in DTYPE_BYTES:
            known = ", ".join(sorted(DTYPE_BYTES))
            raise ModelError(f"{graph.name}: input or output {value.name!r} is {value.dtype}, expected one of {known}")
        if any(size < 1 for size in value.shape):
            raise ModelError(f"{graph.name}: input or output {value.name!r} has shape {list(value.shape)}")


def _borders(graph: Graph, layout: Layout) -> dict[str, list[dict[str, Any]]]:
    return {
        "inputs": [_border(value, offset) for value, offset in zip(graph.inputs, layout.inputs, strict=True)],
        "outputs": [_border(value, offset) for value, offset in zip(graph.outputs, layout.outputs, strict=True)],
    }


def _border(value: Value, offset: int) -> dict[str, Any]:
    scale, zero_point = 0.0, 0
    if value.quantization is not None and value.dtype != "float32" and value.quantization.is_per_tensor:
        scale, zero_point = value.quantization.scale, value.quantization.zero_point
    if not isfinite(scale) or not -(1 << 31) <= zero_point < 1 << 31:
        raise ModelError(f"tensor {value.name!r} at the model's border has scale {scale}, zero point {zero_point}")
    return {
        "name": value.name,
        "dtype": value.dtype,
        "shape": list(value.shape),
        "scale": scale,
        "zero_point": zero_point,
        "offset": offset,
    }
