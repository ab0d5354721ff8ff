r"""What a model module says of itself, read from its section `edge.manifest` without running anything.

A module is "\0asm", a version, then sections: id (1 byte), size (LEB128), content. A custom section (id 0) begins with
its name. WebAssembly core specification 2.0, 5.5.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sdk.abi import MANIFEST_SECTION
from edge_sdk.errors import ModelError
from firmware_tools.sign import durable

MAX_MODULE_BYTES = 2 << 30
_MAGIC = b"\0asm\1\0\0\0"


@dataclass(frozen=True)
class ModuleFacts:
    """Inputs and outputs as (dtype, shape); memory; the kernels it calls."""

    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    memory_bytes: int
    kernels: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether every machine gives the same bits: integer kernels do, float ones differ in the last place."""
        return not any("f32" in kernel for kernel in self.kernels)


def module_facts(path: Path) -> ModuleFacts:
    """Return the facts of a module made by `edge-sdk convert`.

    Raises:
        ModelError: it is no such module.
    """
    data = durable.read(path, MAX_MODULE_BYTES)
    try:
        page = json.loads(_section(data))
        return ModuleFacts(
            _tensors(page["inputs"]),
            _tensors(page["outputs"]),
            int(page["memory_bytes"]),
            tuple(str(node["kernel"]) for node in page["nodes"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, RecursionError):
        raise ModelError(
            f"{path}: is no model module of edge-sdk", hint=f"edge-sdk convert MODEL.tflite -o {path}"
        ) from None


def _tensors(rows: Any) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((str(row["dtype"]), tuple(int(size) for size in row["shape"])) for row in rows)


def _section(data: bytes) -> bytes:
    """Return the content of the manifest's section."""
    if not data.startswith(_MAGIC):
        raise ValueError("no module")
    at = len(_MAGIC)
    while at < len(data):
        kind = data[at]
        size, start = _leb128(data, at + 1)
        at = start + size
        if kind == 0 and at <= len(data):
            length, name_at = _leb128(data, start)
            if data[name_at : name_at + length] == MANIFEST_SECTION.encode():
                return data[name_at + length : at]
    raise ValueError("no manifest")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return an unsigned 32-bit number and where the next byte is."""
    value = 0
    for index in range(5):
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError("number too long")
