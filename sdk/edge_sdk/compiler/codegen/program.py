"""What both forms of a module are made of: code bodies, data segments, manifest, all without function indices.

    prepare: weights are widened, then one call of prepare_<kernel> per packed node.
    infer:   every kernel call, then the copies of outputs.

Straight-line code is never interrupted, so each call stands in a loop of its own: engines test their deadline at
loop headers. The first status that is not 0 is returned at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from edge_sdk import abi
from edge_sdk.compiler.codegen.layout import Copy, Layout, PlacedCall
from edge_sdk.compiler.codegen.wasm import data_segment, i32_const, uleb

#: Contents are cut here, and runs of zeros that fill a block are left out: memory starts as zeros.
BLOCK_BYTES = 4096
#: Largest data segment.
MAX_SEGMENT_BYTES = 1 << 20
#: Bytes copied between two deadline tests.
COPY_BYTES = 1 << 20

BLOCK_VOID, LOOP_VOID, END = b"\x02\x40", b"\x03\x40", b"\x0b"
CALL, BR_IF, LOCAL_GET, LOCAL_TEE = b"\x10", b"\x0d", b"\x20", b"\x22"
MEMORY_COPY = b"\xfc\x0a\x00\x00"
ONE_I32_LOCAL = b"\x01\x01\x7f"


@dataclass(frozen=True)
class Step:
    """A call of an imported function with a descriptor."""

    function: str
    descriptor: int


@dataclass(frozen=True)
class Program:
    """A module before it is linked or joined with the kernels."""

    prepare: list[Step]
    infer: list[Step]
    copies: list[Copy]
    segments: list[tuple[int, memoryview]]
    pages: int

    @property
    def functions(self) -> list[str]:
        """Names of the kernels' functions that are called, sorted."""
        return sorted({step.function for step in self.prepare + self.infer})

    def bodies(self, index: Callable[[str], int]) -> list[bytes]:
        """Return the code of prepare and infer; `index` gives a function's index."""
        return [_body(self.prepare, [], index), _body(self.infer, self.copies, index)]

    def data(self) -> list[bytes]:
        """Return the data segments."""
        return [data_segment(offset, contents) for offset, contents in self.segments]


def make_program(layout: Layout) -> Program:
    """Return the program of a layout."""
    packing = [
        Step(f"prepare_{placed.kernel.name}", placed.descriptors[0]) for placed in layout.calls if placed.kernel.packed
    ]
    return Program(
        prepare=_steps(layout.widenings) + packing,
        infer=_steps(layout.calls),
        copies=layout.copies,
        segments=cut_segments(layout.image, abi.KERNEL_RESERVE),
        pages=layout.memory_bytes // abi.WASM_PAGE_BYTES,
    )


def _steps(calls: list[PlacedCall]) -> list[Step]:
    return [Step(placed.kernel.name, offset) for placed in calls for offset in placed.descriptors]


def cut_segments(image: bytes | bytearray, offset: int) -> list[tuple[int, memoryview]]:
    """Return (offset, view of the contents) of the parts of an image that are not zero."""
    segments: list[tuple[int, memoryview]] = []
    begin, view = 0, memoryview(image)
    zeros = bytes(BLOCK_BYTES)
    for at in range(0, len(image) + BLOCK_BYTES, BLOCK_BYTES):
        block = view[at : at + BLOCK_BYTES]
        empty = block == zeros[: len(block)]
        if (empty or at - begin >= MAX_SEGMENT_BYTES) and begin < at:
            last = bytes(view[at - BLOCK_BYTES : at])  # not all zeros, or it would not belong to a segment
            end = at - BLOCK_BYTES + len(last.rstrip(b"\0"))
            segments.append((offset + begin, view[begin:end]))
            begin = at
        if empty:
            begin = at + BLOCK_BYTES
    return segments


def encode_manifest(manifest: dict[str, object]) -> bytes:
    """Return the manifest as it stands in the module: compact JSON, the same bytes for the same contents."""
    return json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()


def _body(steps: list[Step], copies: list[Copy], index: Callable[[str], int]) -> bytes:
    code = bytearray(ONE_I32_LOCAL + BLOCK_VOID)
    for step in steps:
        code += LOOP_VOID + i32_const(step.descriptor) + CALL + uleb(index(step.function))
        code += LOCAL_TEE + b"\x00" + BR_IF + b"\x01" + END
    for copy in copies:
        for done in range(0, copy.size_bytes, COPY_BYTES):
            size = min(COPY_BYTES, copy.size_bytes - done)
            code += LOOP_VOID + i32_const(copy.target + done) + i32_const(copy.source + done) + i32_const(size)
            code += MEMORY_COPY + END
    code += END + LOCAL_GET + b"\x00" + END
    return uleb(len(code)) + bytes(code)
