"""Why a run gave no result, and the error that says it: node, kernel, field.

A host kernel's refusal arrives as a WasmtimeError whose last line is ours; a fault in Wasm arrives as a Trap with a
code; a sandbox kernel's refusal arrives as the status that the model hands through.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass

from edge_sdk.abi import NAMESPACE, describe_status
from edge_sdk.errors import DeadlineError, EdgeError, SandboxError
from edge_sdk.runtime._wasmtime import ffi, wasmtime
from edge_sdk.runtime.manifest import Manifest

#: As edge_status_text of kernels/provider/host.c writes it.
KERNEL_TEXT = re.compile(rf"{NAMESPACE}\.(\w+): descriptor 0x([0-9a-f]{{8}}): (.+)")
#: As edge_session's function `deadline` writes it.
DEADLINE_TEXT = f"{NAMESPACE}.deadline: passed"
MAX_TEXT = 400
MAX_NAME = 100


@dataclass(frozen=True)
class Failure:
    """What stopped a run.

    Attributes:
        text: what happened, without the model's name.
        is_deadline: the epoch deadline passed.
        descriptor: offset of the descriptor of the refused call, when it is known.
    """

    text: str
    is_deadline: bool = False
    descriptor: int | None = None


def from_status(status: int, descriptor: int | None) -> Failure:
    """Return the failure behind a non-zero result of prepare() or infer()."""
    return Failure(f"{NAMESPACE}.{describe_status(status)}", descriptor=descriptor)


def from_exception(error: Exception) -> Failure:
    """Return the failure behind a Trap or WasmtimeError."""
    if isinstance(error, wasmtime.Trap):
        return _from_trap(error)
    line = _last_line(str(error))  # the lines before it hold names of the guest's choice
    if line == DEADLINE_TEXT:
        return Failure("the deadline passed", is_deadline=True)
    kernel = KERNEL_TEXT.search(line)
    if kernel:
        return Failure(f"{NAMESPACE}.{kernel[1]}: {kernel[3]}", descriptor=int(kernel[2], 16))
    return Failure(line)


def from_trap_address(address: int) -> Failure:
    """Return the failure behind a wasm_trap_t, which is freed."""
    return from_exception(wasmtime.Trap._from_ptr(ctypes.cast(address, ctypes.POINTER(ffi.wasm_trap_t))))


def from_error_address(address: int) -> Failure:
    """Return the failure behind a wasmtime_error_t, which is freed."""
    return from_exception(wasmtime.WasmtimeError._from_ptr(ctypes.cast(address, ctypes.POINTER(ffi.wasmtime_error_t))))


def _from_trap(trap: wasmtime.Trap) -> Failure:
    try:
        code = trap.trap_code
    except ValueError:  # a code this wasmtime-py has no name for
        code = None
    if code is wasmtime.TrapCode.INTERRUPT:
        return Failure("the deadline passed", is_deadline=True)
    frames = [(frame.func_name or f"function {frame.func_index}")[:MAX_NAME] for frame in trap.frames[:3]]
    where = f" in {', called by '.join(frames)}" if frames else ""
    words = code.name.lower().replace("_", " ") if code is not None else _last_line(trap.message)
    return Failure(f"trap: {words}{where}")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason given")[:MAX_TEXT]


def error_for(failure: Failure, manifest: Manifest, *, deadline_s: float, doing: str) -> EdgeError:
    """Return the error that tells the user about `failure`; `doing` is prepare or infer."""
    name = manifest.name
    if failure.is_deadline:
        return DeadlineError(
            f"model {name!r}: {doing} took longer than the deadline of {deadline_s:g} s and was stopped",
            hint="raise deadline_s if the model is known to need longer",
        )
    node = None if failure.descriptor is None else manifest.node_at(failure.descriptor)
    where = ""
    if node is not None:
        where = f"node {node[0]} {node[1].name!r} ({node[1].op}): "
    elif failure.descriptor is not None:
        where = f"descriptor 0x{failure.descriptor:08x} of no node in the manifest: "
    return SandboxError(
        f"model {name!r}: {where}{failure.text}",
        hint="the module breaks its contract: convert the model again, or do not trust this file",
    )
