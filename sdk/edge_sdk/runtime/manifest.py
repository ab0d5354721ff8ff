"""The manifest of a model module: JSON in the custom section `edge.manifest`, decoded into typed, bounded rows.

The manifest is as little trusted as the module: sizes and depths are bounded, and every range is checked against the
memory the module declares.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge_sdk.abi import ABI_VERSION, KERNEL_RESERVE, MAX_NODES
from edge_sdk.errors import ModelError
from edge_sdk.tensor import DTYPE_BYTES, TensorSpec

MAX_BYTES = 16 << 20
U32 = Annotated[int, Meta(ge=0, lt=1 << 32)]
Count = Annotated[int, Meta(ge=0, lt=1 << 62)]
Name = Annotated[str, Meta(max_length=1024)]


class TensorRow(Struct, frozen=True):
    """An input or output and where it lies in linear memory."""

    name: Name
    dtype: Name
    shape: Annotated[tuple[Annotated[int, Meta(ge=1, lt=1 << 32)], ...], Meta(max_length=8)]
    offset: U32
    scale: float = 0.0
    zero_point: Annotated[int, Meta(ge=-(1 << 31), lt=1 << 31)] = 0

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(self.name, self.dtype, self.shape, self.scale, self.zero_point)


class NodeRow(Struct, frozen=True):
    """One kernel of the model: the source's node and the descriptors of its calls."""

    name: Name
    op: Name
    kernel: Name
    descriptors: Annotated[tuple[U32, ...], Meta(max_length=1 << 16)] = ()
    macs: Count = 0


class Manifest(Struct, frozen=True):
    """What a model says about itself."""

    abi: int
    name: Name
    source_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    form: Literal["linked", "standalone"]
    inputs: Annotated[tuple[TensorRow, ...], Meta(max_length=64)]
    outputs: Annotated[tuple[TensorRow, ...], Meta(min_length=1, max_length=64)]
    nodes: Annotated[tuple[NodeRow, ...], Meta(max_length=MAX_NODES)]
    memory_bytes: Count
    arena_bytes: Count = 0
    weights_bytes: Count = 0
    state_bytes: Count = 0
    macs: Count = 0

    def node_at(self, descriptor: int) -> tuple[int, NodeRow] | None:
        """Return number and row of the node that owns the descriptor at this offset."""
        for number, node in enumerate(self.nodes):
            if descriptor in node.descriptors:
                return number, node
        return None


def decode_manifest(data: bytes, memory_bytes: int) -> Manifest:
    """Return the manifest in `data` of a module with this much linear memory.

    Raises:
        ModelError: it is damaged, of another ABI version, or does not fit the module.
    """
    if len(data) > MAX_BYTES:
        raise ModelError(f"manifest: {len(data)} bytes, at most {MAX_BYTES} are read")
    _check_version(data)
    manifest: Manifest = _decode(data, Manifest)
    if manifest.memory_bytes != memory_bytes:
        raise ModelError(f"manifest: memory_bytes is {manifest.memory_bytes}, the module declares {memory_bytes}")
    for kind, rows in (("inputs", manifest.inputs), ("outputs", manifest.outputs)):
        for index, row in enumerate(rows):
            _check_tensor(f"manifest: {kind}[{index}] {row.name!r}", row, memory_bytes)
    return manifest


class _Version(Struct):
    abi: int


def _check_version(data: bytes) -> None:
    # First and alone: a manifest of another version may have another form.
    version = _decode(data, _Version).abi
    if version != ABI_VERSION:
        raise ModelError(
            f"manifest: the module speaks kernel ABI {version}, this edge-sdk speaks {ABI_VERSION}",
            hint="convert the model again with this version of edge-sdk",
        )


def _decode(data: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"manifest: {error}", hint="convert the model again") from None
    except RecursionError:
        raise ModelError("manifest: nested too deeply", hint="convert the model again") from None


def _check_tensor(where: str, row: TensorRow, memory_bytes: int) -> None:
    if row.dtype not in DTYPE_BYTES:
        raise ModelError(f"{where}: dtype {row.dtype!r} is unknown (known: {', '.join(DTYPE_BYTES)})")
    if not math.isfinite(row.scale):
        raise ModelError(f"{where}: scale is {row.scale}, expected a finite number")
    end = row.offset + row.spec.size_bytes
    if row.offset < KERNEL_RESERVE or end > memory_bytes:
        raise ModelError(
            f"{where}: bytes 0x{row.offset:08x} to 0x{end:08x} are outside the model's part of memory, "
            f"0x{KERNEL_RESERVE:08x} to 0x{memory_bytes:08x}"
        )
