"""The sandbox provider: kernels are Wasm, instantiated over the model's own memory. No C in the path.

    model --import--> adapter: call_indirect through a table --> kernels.wasm, which imports the model's memory

The adapter breaks the cycle (the model owns the memory the kernels need, the kernels are what the model imports): it is
instantiated first, its table filled last. An empty entry traps, which is what a kernel called too early has to do.
It also keeps the descriptor of a refused call, so that the error can name the node, and where no epochs are tested it
asks before each call whether the deadline has passed: `passed` is a function of the native library that traps then.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from edge_sdk.abi import NAMESPACE
from edge_sdk.errors import UnsupportedPlatformError
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.cache import compiled
from edge_sdk.runtime.engine import EngineSpec, engine_for
from edge_sdk.runtime.module import IMPORT_NAMES

#: What the kernels ask of the engine -> their file.
FILES = {"wasm_simd128": "kernels.wasm", "wasm_fma": "kernels-fma.wasm", "wasm_relaxed": "kernels-relaxed.wasm"}
#: The native library's function that traps when the deadline has passed.
DEADLINE = "deadline"
#: Order of the adapter's table.
SLOTS = {name: slot for slot, name in enumerate(sorted(IMPORT_NAMES))}


@dataclass(frozen=True)
class Kernels:
    """kernels.wasm compiled for one engine."""

    module: wasmtime.Module
    adapter: wasmtime.Module
    isa: str


class Adapter:
    """The adapter inside one store."""

    def __init__(self, store: wasmtime.Store, kernels: Kernels) -> None:
        self._store = store
        self._kernels = kernels
        self._exports: Any = None

    def define_kernels(self, linker: wasmtime.Linker, names: Iterable[str]) -> None:
        """Define `names` of the kernel namespace in `linker`, which holds the function `passed` where it is asked."""
        self._exports = linker.instantiate(self._store, self._kernels.adapter).exports(self._store)
        for name in names:
            linker.define(self._store, NAMESPACE, name, self._exports[name])

    def connect(self, memory: wasmtime.Memory, names: Iterable[str]) -> None:
        """Instantiate the kernels over `memory` and let the adapter's functions lead to them."""
        exports: Any = wasmtime.Instance(self._store, self._kernels.module, [memory]).exports(self._store)
        table = self._exports["table"]
        for name in names:
            table.set(self._store, SLOTS[name], exports[name])

    def function(self, name: str) -> wasmtime.Func:
        """Return a function that `connect` has connected."""
        found: wasmtime.Func = self._exports[name]
        return found

    def refused_descriptor(self) -> int:
        """Return the descriptor of the last call that a kernel refused."""
        return int(self._exports["refused"].value(self._store)) & 0xFFFFFFFF


@lru_cache(maxsize=8)
def kernels_for(spec: EngineSpec) -> Kernels:
    """Return the best kernels.wasm for the engine of `spec`.

    Raises:
        UnsupportedPlatformError: the package was installed without them.
    """
    isa = best_isa(spec)
    return Kernels(compiled(spec, kernels_wasm(FILES[isa])), compiled(spec, _adapter_wasm(spec.epochs)), isa)


def best_isa(spec: EngineSpec) -> str:
    """Return the row of FILES that is right, and fastest, for the engine of `spec`."""
    if relaxed_dot_is_exact(spec):
        return "wasm_relaxed"
    return "wasm_fma" if madd_is_fused(spec) else "wasm_simd128"


def kernels_wasm(name: str) -> bytes:
    """Return one of the package's kernel modules."""
    try:
        return (files("edge_sdk") / name).read_bytes()
    except OSError as error:
        raise UnsupportedPlatformError(
            f"edge-sdk was installed without {name}: {error}", hint="install edge-sdk again"
        ) from None


def wat_bytes(data: bytes) -> str:
    """Return `data` as the inside of a WAT string."""
    return "".join(f"\\{byte:02x}" for byte in data)


def _adapter_wasm(epochs: bool) -> bytes:
    passed = "" if epochs else f'(import "{NAMESPACE}" "{DEADLINE}" (func $passed (param i32) (result i32)))'
    asked = "" if epochs else "(drop (call $passed (i32.const 0)))"
    functions = "\n".join(
        f"""(func (export "{name}") (param $descriptor i32) (result i32) (local $status i32) {asked}
              (local.tee $status (call_indirect (type $kernel) (local.get $descriptor) (i32.const {slot})))
              (if (then (global.set $refused (local.get $descriptor))))
              (local.get $status))"""
        for name, slot in SLOTS.items()
    )
    wat = f"""(module
      (type $kernel (func (param i32) (result i32)))
      {passed}
      (table (export "table") {len(SLOTS)} {len(SLOTS)} funcref)
      (global $refused (export "refused") (mut i32) (i32.const 0))
      {functions})"""
    return bytes(wasmtime.wat2wasm(wat))


#: (a, b): bytes whose products sum to more than 16 bits, and every mix of signs.
_DOT_CASES = ((-128, -128), (-128, 127), (127, -128), (127, 127), (-1, -128))


@lru_cache(maxsize=8)
def madd_is_fused(spec: EngineSpec) -> bool:
    """Return whether this engine's relaxed multiply-add is one instruction that rounds once.

    True on aarch64 and on x86-64 with FMA. Elsewhere it is a product and a sum, which kernels.wasm has as well.
    """
    # (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24, and 0 when the product is rounded first.
    wat = """(module
      (func (export "asked") (result i32)
        (f32.ne (f32.const 0) (f32x4.extract_lane 0 (f32x4.relaxed_madd
          (f32x4.splat (f32.const 0x1.001p0)) (f32x4.splat (f32.const 0x1.001p0))
          (f32x4.splat (f32.const -0x1.002p0)))))))"""
    return _asked(spec, wat)


@lru_cache(maxsize=8)
def relaxed_dot_is_exact(spec: EngineSpec) -> bool:
    """Return whether this engine's relaxed dot product is exact for all int8 values.

    True on aarch64 with the dot-product extension (one `sdot`), false on x86-64, where the sums of pairs saturate.
    """
    data = b""
    for a, b in _DOT_CASES:
        data += struct.pack("<16b16b4i4i", *[a] * 16, *[b] * 16, *[7] * 4, *[4 * a * b + 7] * 4)
    wat = f"""(module
      (memory 1)
      (data (i32.const 0) "{wat_bytes(data)}")
      (func (export "asked") (result i32) (local $at i32)
        (loop $next
          (if (i32.eqz (i32x4.all_true (i32x4.eq
                (i32x4.relaxed_dot_i8x16_i7x16_add_s
                  (v128.load (local.get $at))
                  (v128.load offset=16 (local.get $at))
                  (v128.load offset=32 (local.get $at)))
                (v128.load offset=48 (local.get $at)))))
            (then (return (i32.const 0))))
          (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 64))) (i32.const {len(data)}))))
        (i32.const 1)))"""
    return _asked(spec, wat)


def _asked(spec: EngineSpec, wat: str) -> bool:
    """Return what the module's function `asked` says; False where the engine does not take it."""
    try:
        store = wasmtime.Store(engine_for(spec))
        store.set_epoch_deadline(1 << 40)
        asked: Any = wasmtime.Instance(store, compiled(spec, bytes(wasmtime.wat2wasm(wat))), []).exports(store)["asked"]
        return bool(asked(store))
    except (wasmtime.WasmtimeError, wasmtime.Trap):
        return False
