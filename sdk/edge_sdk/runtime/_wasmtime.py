"""The one place that imports Wasmtime: the package, and `ffi`, its private face to the C API.

The private names (`_ffi`, `Memory._memory`, `Func._func`, `Store._context`) were the same in wasmtime 25 to 50; what is
built on them proves itself at run time (self_test.py) or is not used.
"""

from __future__ import annotations

from edge_sdk.errors import UnsupportedPlatformError

try:
    import wasmtime
    from wasmtime import _ffi as ffi
except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: its word for a 32-bit Python
    raise UnsupportedPlatformError(
        f"Wasmtime cannot be loaded here: {error}",
        hint="edge-sdk needs a 64-bit Python on x86-64 or aarch64; there: pip install --force-reinstall wasmtime",
    ) from error

__all__ = ["ffi", "wasmtime"]
