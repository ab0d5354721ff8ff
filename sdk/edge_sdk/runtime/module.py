"""What a model module may be, checked before anything of it is compiled or instantiated.

    edge_kernels functions (i32)->i32 --imports--> [ module ] --exports--> memory, prepare()->i32, infer()->i32

A start section, a foreign import or an odd memory would reach parts of the process that trust the module to be
shaped like this (a kernel called before its session is bound aborts the process), so each is refused here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from edge_sdk.abi import KERNELS, MANIFEST_SECTION, NAMESPACE, WASM_PAGE_BYTES
from edge_sdk.errors import ModelError, SandboxError
from edge_sdk.runtime.manifest import Manifest, decode_manifest
from edge_sdk.runtime.straight_line import is_straight_line
from edge_sdk.runtime.wasm_binary import FUNC, KIND_NAMES, MEM, FunctionType, WasmBinary, read_binary

MAX_MODULE_BYTES = 1 << 30
I32 = b"\x7f"
KERNEL_TYPE = FunctionType(I32, I32)
ENTRY_TYPE = FunctionType(b"", I32)
#: Every function a module may import from NAMESPACE.
IMPORT_NAMES = frozenset(KERNELS) | {f"prepare_{kernel.name}" for kernel in KERNELS.values() if kernel.packed}


@dataclass(frozen=True)
class ModelModule:
    """A module that keeps the rules.

    Attributes:
        data: the Wasm binary.
        imports: names of the kernel functions it calls, each once; empty for a standalone module.
        memory_bytes: its linear memory, which never grows.
        is_straight_line: its own code can only go forward.
    """

    data: bytes
    manifest: Manifest
    imports: tuple[str, ...]
    memory_bytes: int
    is_straight_line: bool = False

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def check_module(data: bytes, *, memory_limit_bytes: int) -> ModelModule:
    """Return the module in `data`.

    Raises:
        ModelError: damaged, not ours, or of another version.
        SandboxError: it breaks a rule, or declares more memory than `memory_limit_bytes`.
    """
    if len(data) > MAX_MODULE_BYTES:
        raise ModelError(f"the module has {len(data)} bytes, at most {MAX_MODULE_BYTES} are read")
    binary = read_binary(data)
    if binary.has_start:
        raise SandboxError("the module has a start function; a model may run only when it is called")
    imports = _check_imports(binary)
    memory_bytes = _check_memory(binary, memory_limit_bytes)
    for name in ("prepare", "infer"):
        _check_entry(binary, name)
    if MANIFEST_SECTION not in binary.custom:
        raise ModelError(
            f"the module has no section {MANIFEST_SECTION!r}: it is not an edge-sdk model",
            hint="make one with `edge-sdk convert MODEL.tflite -o MODEL.wasm`",
        )
    manifest = decode_manifest(binary.custom[MANIFEST_SECTION], memory_bytes)
    if manifest.form == "standalone" and imports:
        raise ModelError(f"the manifest says 'standalone', but the module imports {len(imports)} functions")
    return ModelModule(data, manifest, imports, memory_bytes, is_straight_line(binary.bodies, len(binary.imports)))


def _check_imports(binary: WasmBinary) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for item in binary.imports:
        what = f"{item.module}.{item.name}"
        if item.kind != FUNC or item.module != NAMESPACE or item.name not in IMPORT_NAMES:
            raise SandboxError(
                f"the module imports the {KIND_NAMES[item.kind]} {what!r}; "
                f"only the functions of {NAMESPACE!r} may be imported",
            )
        found = binary.types[item.type_index] if item.type_index < len(binary.types) else None
        if found != KERNEL_TYPE:
            raise SandboxError(f"the module imports {what!r} as {found}, expected {KERNEL_TYPE}")
        names[item.name] = None
    return tuple(names)


def _check_memory(binary: WasmBinary, limit_bytes: int) -> int:
    if not binary.memories and not any(item.kind == MEM for item in binary.imports):
        raise ModelError("the module defines no memory: it is not an edge-sdk model")
    if len(binary.memories) != 1:
        raise SandboxError(f"the module defines {len(binary.memories)} memories, expected one")
    memory = binary.memories[0]
    if memory.flags & ~1:
        odd = {2: "shared", 4: "64-bit", 8: "custom page size"}
        words = [text for bit, text in odd.items() if memory.flags & bit] or [f"flags 0x{memory.flags:02x}"]
        raise SandboxError(f"the module's memory is {', '.join(words)}; expected a plain 32-bit memory")
    if not memory.flags & 1 or memory.minimum != memory.maximum:
        most = memory.maximum if memory.flags & 1 else "none"
        raise SandboxError(
            f"the module's memory may grow (minimum {memory.minimum} pages, maximum {most}); expected equal limits"
        )
    size = memory.minimum * WASM_PAGE_BYTES
    if size > limit_bytes:
        raise SandboxError(
            f"the module asks for {size / (1 << 20):.1f} MiB of memory, the limit is {limit_bytes / (1 << 20):.1f} MiB",
            hint="raise memory_mib if the model is known to need it",
        )
    if binary.exports.get("memory") != (MEM, 0):
        raise ModelError("the module does not export its memory as 'memory'")
    return size


def _check_entry(binary: WasmBinary, name: str) -> None:
    kind, index = binary.exports.get(name, (None, 0))
    found = binary.function_type(index) if kind == FUNC else None
    if found != ENTRY_TYPE:
        came = "nothing" if found is None else str(found)
        raise ModelError(f"the module's export {name!r} is {came}, expected a function {ENTRY_TYPE}")
