"""The standalone form: the kernels and the model in one module that imports nothing.

The same kernels.wasm that the sandbox provider uses is taken apart into sections. Its memory import is dropped (memory
has an index space of its own, so no function moves), a memory is defined, and the model's types, functions, code and
data are appended behind its own: no index in the kernels' code changes. Their exports are replaced by ours; their
custom sections are dropped.
"""

from __future__ import annotations

from edge_sdk.abi import KERNEL_RESERVE, MANIFEST_SECTION, WASM_PAGE_BYTES
from edge_sdk.compiler.codegen import wasm
from edge_sdk.compiler.codegen.program import Program
from edge_sdk.errors import ModelError

_WHAT = "kernels.wasm"


def standalone_module(program: Program, manifest: bytes, name: str, kernels: bytes) -> bytes:
    """Return the module's bytes.

    Args:
        kernels: a kernels.wasm that imports one memory and nothing else.

    Raises:
        ModelError: `kernels` is damaged, is of another shape, or lacks a kernel.
    """
    sections = _sections(kernels)
    _require_only_memory_import(sections.get(wasm.IMPORT, b"\0"))
    exports = wasm.read_exports(sections.get(wasm.EXPORT, b"\0"), _WHAT)
    functions = {title: index for title, (kind, index) in exports.items() if kind == wasm.KIND_FUNCTION}
    missing = sorted(set(program.functions) - functions.keys())
    if missing:
        raise ModelError(f"{_WHAT} has no function {', '.join(missing)}", hint="build edge-sdk again")
    types, first = _count(sections, wasm.TYPE), _count(sections, wasm.FUNCTION)
    data = program.data()
    sections.pop(wasm.IMPORT, None)
    _append(sections, wasm.TYPE, [wasm.TYPE_ENTRY])
    _append(sections, wasm.FUNCTION, [wasm.uleb(types)] * 2)
    _append(sections, wasm.CODE, program.bodies(functions.__getitem__))
    if wasm.DATA_COUNT in sections:
        sections[wasm.DATA_COUNT] = wasm.uleb(_count(sections, wasm.DATA_COUNT) + len(data))
    _append(sections, wasm.DATA, data)
    sections[wasm.MEMORY] = wasm.vector([wasm.memory_limits(program.pages)])
    sections[wasm.EXPORT] = wasm.vector(
        [
            wasm.export("memory", wasm.KIND_MEMORY, 0),
            wasm.export("prepare", wasm.KIND_FUNCTION, first),
            wasm.export("infer", wasm.KIND_FUNCTION, first + 1),
        ]
    )
    titles = {index: title for title, index in sorted(functions.items(), reverse=True)}
    names = [*sorted(titles.items()), (first, "prepare"), (first + 1, "infer")]
    return b"".join(
        [
            wasm.MAGIC,
            *(wasm.section(number, sections[number]) for number in wasm.ORDER if number in sections),
            wasm.custom_section(MANIFEST_SECTION, manifest),
            wasm.name_section(name, names),
        ]
    )


def _sections(kernels: bytes) -> dict[int, bytes]:
    """Return the kernels' sections without custom ones, each once."""
    sections: dict[int, bytes] = {}
    for number, contents in wasm.read_sections(kernels, _WHAT):
        if number == wasm.CUSTOM:
            continue
        if number not in wasm.ORDER or number in sections:
            raise ModelError(f"{_WHAT}: section {number} is unknown or stands there twice")
        sections[number] = contents
    if wasm.START in sections:
        raise ModelError(f"{_WHAT}: has a start function, which would run before the model is ready")
    if wasm.MEMORY in sections:
        raise ModelError(f"{_WHAT}: defines a memory of its own, expected an import")
    return sections


def _require_only_memory_import(contents: bytes) -> None:
    reader = wasm.Reader(contents, _WHAT)
    memories = 0
    for _ in range(reader.uleb()):
        title = f"{reader.name()}.{reader.name()}"
        if reader.byte() != wasm.KIND_MEMORY:
            raise ModelError(f"{_WHAT}: imports {title}, expected nothing but a memory")
        memories += 1
        if reader.limits() * WASM_PAGE_BYTES > KERNEL_RESERVE + WASM_PAGE_BYTES:
            raise ModelError(f"{_WHAT}: needs more memory than the {KERNEL_RESERVE} bytes reserved for it")
    if memories != 1:
        raise ModelError(f"{_WHAT}: imports {memories} memories, expected 1")


def _count(sections: dict[int, bytes], number: int) -> int:
    """Return the number of elements of a section; 0 where it is absent."""
    return wasm.Reader(sections.get(number, b"\0"), _WHAT).uleb()


def _append(sections: dict[int, bytes], number: int, items: list[bytes]) -> None:
    """Add elements to a section, which is made where it is absent."""
    reader = wasm.Reader(sections.get(number, b"\0"), _WHAT)
    count = reader.uleb()
    sections[number] = wasm.uleb(count + len(items)) + reader.rest() + b"".join(items)
