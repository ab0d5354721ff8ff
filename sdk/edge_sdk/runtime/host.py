"""The host provider: kernels are C functions that Wasmtime calls without Python in between.

The trampolines of `_native` are registered by address; their environment is the session, so a kernel called before the
session is bound, or by a stranger, traps.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any

from edge_sdk.abi import NAMESPACE
from edge_sdk.runtime._wasmtime import ffi, wasmtime
from edge_sdk.runtime.native import Library

_NO_FINALIZER = ctypes.cast(0, ctypes.CFUNCTYPE(None, ctypes.c_void_p))


def define_kernels(linker: wasmtime.Linker, library: Library, session: Any, names: Iterable[str]) -> list[object]:
    """Define `names` of the kernel namespace in `linker`, bound to the C session.

    Returns:
        What must live as long as the store: callbacks and the function type (one per engine, so never shared).
    """
    i32 = wasmtime.ValType.i32
    kernel_type = wasmtime.FuncType([i32()], [i32()])
    environment = int(library.ffi.cast("uintptr_t", session))
    alive: list[object] = [kernel_type]
    for name in names:
        callback = ffi.wasmtime_func_unchecked_callback_t(library.trampoline(name))
        alive.append(callback)
        _define(linker, kernel_type, name, callback, environment)
    return alive


def _define(linker: wasmtime.Linker, kernel_type: wasmtime.FuncType, name: str, callback: Any, env: int) -> None:
    module_bytes, name_bytes = NAMESPACE.encode(), name.encode()
    error = ffi.wasmtime_linker_define_func_unchecked(
        linker.ptr(),
        ctypes.create_string_buffer(module_bytes),
        len(module_bytes),
        ctypes.create_string_buffer(name_bytes),
        len(name_bytes),
        kernel_type.ptr(),
        callback,
        env,
        _NO_FINALIZER,
    )
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)
