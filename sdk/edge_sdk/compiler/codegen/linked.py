"""The linked form: a module that imports the kernels it calls from the namespace `edge_kernels`, nothing else.

    types | imports | functions | memory | exports | code | data | edge.manifest | name

It defines and exports its own memory, so that an engine can map the weights copy-on-write.
"""

from __future__ import annotations

from edge_sdk.abi import MANIFEST_SECTION, NAMESPACE
from edge_sdk.compiler.codegen import wasm
from edge_sdk.compiler.codegen.program import Program


def linked_module(program: Program, manifest: bytes, name: str) -> bytes:
    """Return the module's bytes."""
    functions = program.functions
    imports = [
        wasm.name(NAMESPACE) + wasm.name(function) + bytes([wasm.KIND_FUNCTION]) + wasm.uleb(0)
        for function in functions
    ]
    first = len(functions)
    exports = [
        wasm.export("memory", wasm.KIND_MEMORY, 0),
        wasm.export("prepare", wasm.KIND_FUNCTION, first),
        wasm.export("infer", wasm.KIND_FUNCTION, first + 1),
    ]
    names = [*enumerate(functions), (first, "prepare"), (first + 1, "infer")]
    return b"".join(
        [
            wasm.MAGIC,
            wasm.section(wasm.TYPE, wasm.vector([wasm.TYPE_KERNEL, wasm.TYPE_ENTRY])),
            wasm.section(wasm.IMPORT, wasm.vector(imports)),
            wasm.section(wasm.FUNCTION, wasm.vector([wasm.uleb(1), wasm.uleb(1)])),
            wasm.section(wasm.MEMORY, wasm.vector([wasm.memory_limits(program.pages)])),
            wasm.section(wasm.EXPORT, wasm.vector(exports)),
            wasm.section(wasm.CODE, wasm.vector(program.bodies(functions.index))),
            *wasm.data_section(program.segments),
            wasm.custom_section(MANIFEST_SECTION, manifest),
            wasm.name_section(name, names),
        ]
    )
