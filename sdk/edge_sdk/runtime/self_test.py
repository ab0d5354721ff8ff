"""Proof that the native library and this Wasmtime understand each other, by doing it once.

The trampolines stand on private names of the wasmtime package and on C structs that may change with any release. So
before they are trusted, a module of 30 lines is run with them: a call that does no work, a sum that must be right, and
a descriptor outside memory that must trap in our words.
"""

from __future__ import annotations

import json

import numpy as np

from edge_sdk.abi import ABI_VERSION, KERNEL_RESERVE, KERNELS
from edge_sdk.errors import EdgeError
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.cache import compiled
from edge_sdk.runtime.engine import epoch_ticks, host_spec
from edge_sdk.runtime.instance import NativeInstance, Plan
from edge_sdk.runtime.manifest import decode_manifest
from edge_sdk.runtime.module import ModelModule
from edge_sdk.runtime.native import Library, NativeUnavailableError
from edge_sdk.runtime.sandbox import wat_bytes

COUNT = 9
MEMORY_BYTES = 2 * 65536
DESCRIPTOR, WHICH, A, B, OUTPUT = (KERNEL_RESERVE + offset for offset in (0, 256, 512, 640, 768))
OUTSIDE = 0xFFFFFFF0


def wat() -> str:
    """Return the module: infer() calls add_f32 with the descriptor whose offset stands at WHICH."""
    return f"""(module
      (import "edge_kernels" "empty" (func $empty (param i32) (result i32)))
      (import "edge_kernels" "add_f32" (func $add (param i32) (result i32)))
      (memory (export "memory") {MEMORY_BYTES // 65536} {MEMORY_BYTES // 65536})
      (func (export "prepare") (result i32) (call $empty (i32.const {DESCRIPTOR + 128})))
      (func (export "infer") (result i32) (call $add (i32.load (i32.const {WHICH}))))
      (data (i32.const {DESCRIPTOR}) "{wat_bytes(_descriptor("add_f32"))}")
      (data (i32.const {DESCRIPTOR + 128}) "{wat_bytes(_descriptor("add_s8"))}"))"""


def _descriptor(kernel: str) -> bytes:
    low, high = (-1e30, 1e30) if kernel.endswith("f32") else (-128, 127)
    extents = {"a": A, "b": B, "output": OUTPUT, "count": COUNT, "a_count": COUNT, "b_count": COUNT}
    return KERNELS[kernel].pack(**extents, act_min=low, act_max=high, begin=0, end=COUNT)


def _manifest() -> bytes:
    def row(name: str, dtype: str, shape: list[int], offset: int) -> dict[str, object]:
        return {"name": name, "dtype": dtype, "shape": shape, "offset": offset}

    values = {
        "abi": ABI_VERSION,
        "name": "self-test",
        "source_sha256": "0" * 64,
        "form": "linked",
        "inputs": [
            row("which", "int32", [1], WHICH),
            row("a", "float32", [COUNT], A),
            row("b", "float32", [COUNT], B),
        ],
        "outputs": [row("sum", "float32", [COUNT], OUTPUT)],
        "nodes": [],
        "memory_bytes": MEMORY_BYTES,
    }
    return json.dumps(values).encode()


def prove(library: Library) -> None:
    """Run the self-test.

    Raises:
        NativeUnavailableError: with what went wrong; the library must not be used.
    """
    wasm = bytes(wasmtime.wat2wasm(wat()))
    spec = host_spec(MEMORY_BYTES)
    manifest = decode_manifest(_manifest(), MEMORY_BYTES)
    module = ModelModule(wasm, manifest, ("empty", "add_f32"), MEMORY_BYTES)
    plan = Plan(module, compiled(spec, wasm), spec, None, library, library.isa, 1 << 20)
    try:
        instance = NativeInstance(plan, library, epoch_ticks(10.0))
    except (EdgeError, wasmtime.WasmtimeError, MemoryError) as error:
        raise NativeUnavailableError(f"self-test of the native library: {error}") from error
    try:
        _exercise(instance)
    finally:
        instance.close()


def _exercise(instance: NativeInstance) -> None:
    ticks = epoch_ticks(10.0)
    failed = instance.prepare(ticks)
    if failed:
        raise NativeUnavailableError(f"self-test, call without work: {instance.explain(failed).text}")
    a, b = np.arange(COUNT, dtype=np.float32), np.full(COUNT, 0.5, np.float32)
    total = np.zeros(COUNT, np.float32)
    failed = instance.run(ticks, [np.array([DESCRIPTOR], np.int32), a, b], [total])
    if failed:
        raise NativeUnavailableError(f"self-test, sum: {instance.explain(failed).text}")
    if not np.array_equal(total, a + b):
        raise NativeUnavailableError(f"self-test, sum: {total.tolist()}, expected {(a + b).tolist()}")
    failed = instance.run(ticks, [np.array([OUTSIDE - (1 << 32)], np.int32), a, b], [total])
    if not failed:
        raise NativeUnavailableError("self-test: a descriptor outside memory was not refused")
    failure = instance.explain(failed)
    if failure.descriptor != OUTSIDE or "add_f32" not in failure.text:
        raise NativeUnavailableError(f"self-test: a descriptor outside memory gave {failure.text!r}")
