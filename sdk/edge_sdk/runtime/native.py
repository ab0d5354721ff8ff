"""The native library `_native`: loads it and gives it Wasmtime's C API, or says why not.

Nothing here proves that the library works with this Wasmtime: `self_test` does, and `provider.native_status` is the
question to ask.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import sys
from dataclasses import dataclass
from typing import Any

from edge_sdk.abi import ISAS
from edge_sdk.runtime._wasmtime import ffi

#: Field of edge_wasmtime (native.h) -> symbol of Wasmtime's C API.
SYMBOLS = {
    "memory_data": "wasmtime_memory_data",
    "memory_data_size": "wasmtime_memory_data_size",
    "trap_new": "wasmtime_trap_new",
    "func_call_unchecked": "wasmtime_func_call_unchecked",
    "set_epoch_deadline": "wasmtime_context_set_epoch_deadline",
}
SIMD_NEEDED = {"x86_64": "AVX2 and FMA", "aarch64": "NEON"}


class NativeUnavailableError(Exception):
    """The native library cannot be used; the message is the reason. Never reaches the user as it is."""


@dataclass(frozen=True)
class Library:
    """The loaded extension.

    Attributes:
        ffi: cffi's type world.
        lib: the functions of native.h.
        isa: number of the best instruction set this CPU runs; "ref" means none that is fast.
    """

    ffi: Any
    lib: Any
    isa: int

    @property
    def host_reason(self) -> str:
        """Why host kernels must not be used on this CPU; empty when they may."""
        if ISAS[self.isa] != "ref":
            return ""
        machine = platform.machine()
        return f"this CPU ({machine}) has no {SIMD_NEEDED.get(machine, 'known SIMD')}, which the host kernels need"

    def padded(self, struct: ctypes.Structure) -> bytes:
        """Return the bytes of one of Wasmtime's structs as native.h wants them."""
        size = self.lib.edge_native_handle_bytes()
        if ctypes.sizeof(struct) > size:
            raise NativeUnavailableError(f"Wasmtime's {type(struct).__name__} has more than {size} bytes")
        return bytes(struct).ljust(size, b"\0")

    def trampoline(self, name: str) -> int:
        """Return the address of the C function behind the import `name`."""
        address = self.lib.edge_native_trampoline(name.encode())
        if not address:
            raise NativeUnavailableError(f"the native library has no kernel {name!r}")
        return int(address)


def load_library() -> Library:
    """Return the extension, ready to be called.

    Raises:
        NativeUnavailableError: with the reason.
    """
    if os.environ.get("EDGE_SDK_NATIVE") == "0":
        raise NativeUnavailableError("EDGE_SDK_NATIVE=0 switches the native library off")
    if sys.maxsize < 1 << 32:
        raise NativeUnavailableError("this Python is 32-bit")
    try:
        module = importlib.import_module("edge_sdk.runtime._native")
    except ImportError as error:
        raise NativeUnavailableError(f"the native library cannot be loaded: {error}") from None
    if [name for name, _ in module.ffi.typeof("edge_wasmtime").fields] != list(SYMBOLS):
        raise NativeUnavailableError("the native library belongs to another version of edge-sdk")
    addresses = [_address(symbol) for symbol in SYMBOLS.values()]
    module.lib.edge_native_init(dict(zip(SYMBOLS, addresses, strict=True)))
    return Library(module.ffi, module.lib, module.lib.edge_isa_best())


def _address(symbol: str) -> int:
    try:
        address = ctypes.cast(getattr(ffi.dll, symbol), ctypes.c_void_p).value
    except AttributeError:
        raise NativeUnavailableError(f"this Wasmtime has no {symbol}") from None
    return address or 0
