"""The model formats that can be read: one row each, found by what the file starts with, else by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from edge_sdk.compiler.graph import Graph
from edge_sdk.errors import ModelError


@dataclass(frozen=True)
class Importer:
    """A row of IMPORTERS.

    Attributes:
        suffixes: endings of file names.
        magic: (offset, bytes) that every file of the format has.
        function: "module:function" of (data, name) -> Graph.
    """

    suffixes: tuple[str, ...]
    magic: tuple[int, bytes]
    function: str

    def load(self) -> Callable[[bytes, str], Graph]:
        """Import the module and return its function."""
        module, _, name = self.function.partition(":")
        function: Callable[[bytes, str], Graph] = getattr(import_module(module), name)
        return function


IMPORTERS: dict[str, Importer] = {
    "tflite": Importer((".tflite", ".lite"), (4, b"TFL3"), "edge_sdk.compiler.importers.tflite.importer:import_model"),
}


def import_model(data: bytes, name: str) -> Graph:
    """Return the graph of a model file.

    Raises:
        ModelError: no importer knows the format, or the file is damaged or unsupported.
    """
    for row in IMPORTERS.values():
        offset, magic = row.magic
        if data[offset : offset + len(magic)] == magic:
            return row.load()(data, name)
    if data[:4] == b"\0asm":
        raise ModelError(f"{name}: is a WebAssembly module already", hint="edge-sdk run MODEL.wasm")
    known = ", ".join(sorted(suffix for row in IMPORTERS.values() for suffix in row.suffixes))
    raise ModelError(
        f"{name}: {len(data)} bytes that are no model file (known formats: {known})",
        hint="export the model as .tflite, or download the file again",
    )


__all__ = ["IMPORTERS", "Importer", "import_model"]
