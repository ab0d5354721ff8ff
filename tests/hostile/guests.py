"""Hand-made model modules: WAT in, a module with a manifest out. The default one adds two vectors with one kernel."""

from __future__ import annotations

import json
from typing import Any

import wasmtime

from edge_sdk.abi import ABI_VERSION, KERNEL_RESERVE, KERNELS, MANIFEST_SECTION

COUNT = 16
PAGES = 2
DESCRIPTOR = KERNEL_RESERVE
A, B, OUTPUT = (KERNEL_RESERVE + offset for offset in (1024, 2048, 3072))
ADD = '(import "edge_kernels" "add_f32" (func $add (param i32) (result i32)))'
MEMORY = f'(memory (export "memory") {PAGES} {PAGES})'
PREPARE = '(func (export "prepare") (result i32) (i32.const 0))'


def wat_bytes(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)


def call(kernel: str, descriptor: int) -> str:
    """A body that makes one call, in a loop as the converter emits it, and returns the status."""
    return (
        f"(loop (result i32) (call ${kernel} (i32.const {descriptor - (1 << 32) if descriptor >> 31 else descriptor})))"
    )


def infer(body: str) -> str:
    return f'(func $infer (export "infer") (result i32) {body})'


def add_descriptor(**changes: float) -> bytes:
    """Descriptor of add_f32 on the default layout."""
    fields: dict[str, float] = {
        "a": A, "b": B, "output": OUTPUT, "count": COUNT, "a_count": COUNT, "b_count": COUNT,
        "act_min": -1e30, "act_max": 1e30, "begin": 0, "end": COUNT,
    }  # fmt: skip
    return KERNELS["add_f32"].pack(**(fields | changes))


def data(offset: int, content: bytes) -> str:
    return f'(data (i32.const {offset}) "{wat_bytes(content)}")'


def manifest(**changes: Any) -> dict[str, Any]:
    def row(name: str, offset: int) -> dict[str, Any]:
        return {"name": name, "dtype": "float32", "shape": [COUNT], "scale": 0.0, "zero_point": 0, "offset": offset}

    node = {"name": "sum", "op": "ADD", "kernel": "add_f32", "descriptors": [DESCRIPTOR]}
    return {
        "abi": ABI_VERSION,
        "name": "guest",
        "source_sha256": "ab" * 32,
        "form": "linked",
        "inputs": [row("a", A), row("b", B)],
        "outputs": [row("sum", OUTPUT)],
        "nodes": [node],
        "memory_bytes": PAGES * 65536,
    } | changes


def leb(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def custom_section(name: str, content: bytes) -> bytes:
    payload = leb(len(name)) + name.encode() + content
    return b"\0" + leb(len(payload)) + payload


def with_manifest(wasm: bytes, content: bytes | dict[str, Any]) -> bytes:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return wasm + custom_section(MANIFEST_SECTION, raw)


def module(*fields: str, manifest_: bytes | dict[str, Any] | None = None) -> bytes:
    """A module of these WAT fields, with the default manifest unless another is given."""
    wasm = bytes(wasmtime.wat2wasm("(module " + "\n".join(fields) + ")"))
    return with_manifest(wasm, manifest() if manifest_ is None else manifest_)


def adder(**changes: float) -> bytes:
    """The default guest; `changes` are fields of its descriptor."""
    return module(ADD, MEMORY, PREPARE, infer(call("add", DESCRIPTOR)), data(DESCRIPTOR, add_descriptor(**changes)))
