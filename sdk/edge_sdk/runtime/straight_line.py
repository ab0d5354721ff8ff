"""Whether a module's own code can only go forward: then its kernels need no test in their loops.

An engine with epochs tests them at every loop header, kernels.wasm included, and keeps no vector in a register there:
small loops take twice as long. Code as the converter emits it needs no such test. It has no backward branch, calls
nothing but kernels, each of which is bounded by EDGE_MAX_WORK, and copies a bounded number of bytes; the deadline is
tested at each kernel call instead (see `sandbox`).

Anything this reader does not know is not straight: it runs with epochs.

WebAssembly Core Specification 2.0, 5.4 (instructions).
"""

from __future__ import annotations

from edge_sdk.errors import ModelError
from edge_sdk.runtime.wasm_binary import Cursor

BLOCK, LOOP, END, BR_IF, CALL = 0x02, 0x03, 0x0B, 0x0D, 0x10
LOCAL_GET, LOCAL_SET, LOCAL_TEE, I32_CONST, PREFIX, MEMORY_COPY = 0x20, 0x21, 0x22, 0x41, 0xFC, 0x0A
BLOCK_TYPES = (0x40, 0x7F)
#: All copies of a function together.
MAX_COPIED_BYTES = 1 << 30


def is_straight_line(bodies: tuple[bytes, ...], imported: int) -> bool:
    """Return whether all functions go only forward.

    Args:
        bodies: of the code section, as they stand in the module.
        imported: how many functions the module imports; others must not be called.
    """
    try:
        return all(_goes_forward(Cursor(body, 0, len(body), "code"), imported) for body in bodies)
    except ModelError:  # damaged: Wasmtime says so
        return False


def _goes_forward(code: Cursor, imported: int) -> bool:
    for _ in range(code.leb()):  # local declarations
        code.leb()
        code.byte()
    labels = [BLOCK]
    constant = copied = 0
    while labels:
        operation, before, constant = code.byte(), constant, 0
        if operation in (BLOCK, LOOP):
            if code.byte() not in BLOCK_TYPES:
                return False
            labels.append(operation)
        elif operation == END:
            labels.pop()
        elif operation == BR_IF:
            depth = code.leb()
            if depth >= len(labels) or labels[-1 - depth] == LOOP:
                return False
        elif operation == CALL:
            if code.leb() >= imported:
                return False
        elif operation in (LOCAL_GET, LOCAL_SET, LOCAL_TEE):
            code.leb()
        elif operation == I32_CONST:
            constant = code.signed_leb() & 0xFFFFFFFF
        elif operation == PREFIX and code.take(3) == bytes((MEMORY_COPY, 0, 0)):
            copied += before or MAX_COPIED_BYTES + 1  # a size that is computed, or none at all
        else:
            return False
    return code.at == code.end and copied <= MAX_COPIED_BYTES
