r"""Where everything lies in linear memory, and what it holds at the start.

    0        KERNEL_RESERVE                                                              memory end
    | kernels | descriptors | weights | states | widened | packed, scratch | arena | inputs | outputs |
                \__________________________/
                 the image: the only part with contents

Equal constants are stored once; `prepare` widens those that are stored in a narrower type than kernels read. Packed
regions belong to one node each; all nodes share one scratch area, because one kernel runs at a time. An output that no
kernel writes in its place (it is an input, a constant, or the second of two equal outputs) is copied at the end of a
run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from numpy.typing import NDArray

from edge_sdk import abi
from edge_sdk.abi import round_up
from edge_sdk.compiler.codegen.slices import MAX_CALLS, slice_rows
from edge_sdk.compiler.graph import Graph, Value
from edge_sdk.compiler.ops.conversion import TYPES
from edge_sdk.compiler.ops.op import KernelCall
from edge_sdk.compiler.passes.memory_plan import ALIGN, MemoryPlan
from edge_sdk.errors import ModelError

_CAST = abi.KERNELS["cast"]
#: What a 32-bit memory can hold.
MAX_MEMORY_BYTES = 1 << 32


@dataclass(frozen=True)
class PlacedCall:
    """A kernel call with its descriptors, one per slice."""

    call: KernelCall
    kernel: abi.Kernel
    descriptors: tuple[int, ...]


@dataclass(frozen=True)
class _Widening:
    """A call that `prepare` makes, and the number of the first call of a run that reads its result."""

    node: int
    call: KernelCall


@dataclass(frozen=True)
class Copy:
    """Bytes moved at the end of a run."""

    target: int
    source: int
    size_bytes: int


@dataclass
class Layout:
    """The result; `regions` maps a region's name to (offset, bytes), `widenings` run before everything else."""

    calls: list[PlacedCall] = field(default_factory=list)
    widenings: list[PlacedCall] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    regions: dict[str, tuple[int, int]] = field(default_factory=dict)
    image: bytearray = field(default_factory=bytearray)

    @property
    def memory_bytes(self) -> int:
        offset, size = self.regions["outputs"]
        return round_up(offset + size, abi.WASM_PAGE_BYTES)


def lay_out(graph: Graph, calls: list[KernelCall], plan: MemoryPlan) -> Layout:
    """Give everything an address and build the image.

    Raises:
        ModelError: the model needs more than 4 GiB, or more nodes or work in a row than the ABI allows.
    """
    if len(calls) > abi.MAX_NODES:
        raise ModelError(f"{graph.name}: {len(calls)} nodes, at most {abi.MAX_NODES}")
    return _LayoutMaker(graph, calls, plan).make()


class _LayoutMaker:
    """Places region after region; addresses are final as soon as they are given out."""

    def __init__(self, graph: Graph, calls: list[KernelCall], plan: MemoryPlan) -> None:
        self.graph = graph
        self.calls = calls
        self.widenings = _widenings(calls)
        self.plan = plan
        self.layout = Layout()
        self.end = self.next_descriptor = abi.KERNEL_RESERVE
        self.addresses: dict[Value, int] = {}
        self.known: dict[bytes, int] = {}
        self.placed: dict[tuple[object, ...], int] = {}

    def make(self) -> Layout:
        kernels = [abi.KERNELS[call.kernel] for call in self.calls]
        slices, widening = self._slices(self.calls), self._slices([one.call for one in self.widenings])
        sizes = [kernel.descriptor_bytes * len(ranges) for kernel, ranges in zip(kernels, slices, strict=True)]
        sizes += [_CAST.descriptor_bytes * len(ranges) for ranges in widening]
        descriptors = self._region("descriptors", sum(sizes))
        fields = [dict(call.numbers) for call in self.calls]
        self._require_room_for_packed(kernels)
        self._place_constants(fields)
        self._place_states()
        self._place_widened(fields)
        self._place_work_areas(kernels, fields)
        self._place_arena()
        self._place_borders()
        self.next_descriptor = descriptors
        for node, (call, ranges, numbers) in enumerate(zip(self.calls, slices, fields, strict=True)):
            self.layout.calls.append(self._placed(node, call, ranges, numbers))
        for one, ranges in zip(self.widenings, widening, strict=True):
            self.layout.widenings.append(self._placed(one.node, one.call, ranges, one.call.numbers))
        return self.layout

    def _slices(self, calls: list[KernelCall]) -> list[list[tuple[int, int]]]:
        slices, count = [], 0
        for call in calls:
            slices.append(slice_rows(abi.KERNELS[call.kernel], call.numbers, call.node))
            count += len(slices[-1])
            if count > MAX_CALLS:
                raise ModelError(f"{self.graph.name}: more than {MAX_CALLS} kernel calls for one run")
        return slices

    def _region(self, name: str, size: int) -> int:
        offset = round_up(self.end, ALIGN)
        if offset + size > MAX_MEMORY_BYTES:
            raise ModelError(
                f"{self.graph.name}: needs more than {MAX_MEMORY_BYTES >> 30} GiB of memory ({name}: {size} bytes)"
            )
        self.layout.regions[name] = offset, size
        self.end = offset + size
        return offset

    def _require_room_for_packed(self, kernels: list[abi.Kernel]) -> None:
        # Before any constant is hashed: a small file whose nodes share weights may ask for any number of copies.
        total = sum(abi.packed_bytes(kernel, call.numbers) for kernel, call in zip(kernels, self.calls, strict=True))
        if total > MAX_MEMORY_BYTES:
            raise ModelError(f"{self.graph.name}: needs {total >> 20} MiB of packed weights, more than memory can hold")

    def _place_constants(self, fields: list[dict[str, int | float]]) -> None:
        start = round_up(self.end, ALIGN)
        self.layout.image = bytearray(start - abi.KERNEL_RESERVE)
        for call, numbers in zip(self.calls, fields, strict=True):
            for name, array in call.constants.items():
                if name not in call.stored:
                    numbers[name] = self._constant(array)
            for value in (*call.reads.values(), *call.stored.values()):
                self._place_if_constant(value.storage)
        for value in self.graph.outputs:
            self._place_if_constant(value.storage)
        self._region("weights", abi.KERNEL_RESERVE + len(self.layout.image) - start)

    def _place_states(self) -> None:
        offsets, size = _stacked(list(self.graph.states))
        start = self._region("states", size)
        image = self.layout.image
        image.extend(bytes(start + size - abi.KERNEL_RESERVE - len(image)))
        for (value, contents), offset in zip(self.graph.states.items(), offsets, strict=True):
            self.addresses[value] = start + offset
            at = start + offset - abi.KERNEL_RESERVE
            image[at : at + value.size_bytes] = contents.tobytes()

    def _place_widened(self, fields: list[dict[str, int | float]]) -> None:
        wide = [one.call.writes["output"] for one in self.widenings]
        offsets, size = _stacked(wide)
        start = self._region("widened", size)
        self.addresses |= {value: start + offset for value, offset in zip(wide, offsets, strict=True)}
        wide_of = {one.call.reads["input"]: one.call.writes["output"] for one in self.widenings}
        for call, numbers in zip(self.calls, fields, strict=True):
            numbers |= {name: self.addresses[wide_of[narrow]] for name, narrow in call.stored.items()}

    def _place_if_constant(self, value: Value) -> None:
        if value.data is not None and value not in self.addresses:
            self.addresses[value] = self._constant(value.data)

    def _constant(self, array: NDArray[Any]) -> int:
        # Hashing is not free, and a small file may use the same bytes in thousands of nodes.
        identity = array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str
        if identity not in self.placed:
            self.placed[identity] = self._contents(array.tobytes())
        return self.placed[identity]

    def _contents(self, contents: bytes) -> int:
        digest = sha256(contents).digest()
        if digest not in self.known:
            image = self.layout.image
            image.extend(bytes(round_up(len(image), ALIGN) - len(image)))
            self.known[digest] = abi.KERNEL_RESERVE + len(image)
            image.extend(contents)
        return self.known[digest]

    def _place_work_areas(self, kernels: list[abi.Kernel], fields: list[dict[str, int | float]]) -> None:
        start = end = round_up(self.end, ALIGN)
        for kernel, numbers in zip(kernels, fields, strict=True):
            if kernel.packed:
                numbers["packed"], numbers["packed_bytes"] = end, abi.packed_bytes(kernel, numbers)
                end = round_up(end + int(numbers["packed_bytes"]), ALIGN)
        scratch, most = end, 0
        for kernel, numbers in zip(kernels, fields, strict=True):
            if "scratch" in kernel.fields:
                numbers["scratch"], numbers["scratch_bytes"] = scratch, abi.scratch_bytes(kernel, numbers)
                most = max(most, int(numbers["scratch_bytes"]))
        self._region("packed", scratch + most - start)

    def _place_arena(self) -> None:
        arena = self._region("arena", self.plan.arena_bytes)
        for value in self.plan.slots:
            self.addresses[value] = arena + self.plan.offset(value)

    def _place_borders(self) -> None:
        offsets, size = _stacked(self.graph.inputs)
        start = self._region("inputs", size)
        self.layout.inputs = [start + offset for offset in offsets]
        self.addresses |= zip(self.graph.inputs, self.layout.inputs, strict=True)
        offsets, size = _stacked(self.graph.outputs)
        start = self._region("outputs", size)
        self.layout.outputs = [start + offset for offset in offsets]
        for value, target in zip(self.graph.outputs, self.layout.outputs, strict=True):
            source = self.addresses.setdefault(value.storage, target)
            if source != target:
                self.layout.copies.append(Copy(target, source, value.size_bytes))

    def _placed(
        self, node: int, call: KernelCall, ranges: list[tuple[int, int]], numbers: dict[str, int | float]
    ) -> PlacedCall:
        """Write the descriptors of a call, one after the other."""
        kernel, offsets = abi.KERNELS[call.kernel], []
        numbers = numbers | {name: self.addresses[value.storage] for name, value in (call.reads | call.writes).items()}
        for begin, end in ranges:
            words = kernel.pack(**{**numbers, "node": node, "begin": begin, "end": end})
            at = self.next_descriptor - abi.KERNEL_RESERVE
            self.layout.image[at : at + len(words)] = words
            offsets.append(self.next_descriptor)
            self.next_descriptor += len(words)
        return PlacedCall(call, kernel, tuple(offsets))


def _widenings(calls: list[KernelCall]) -> list[_Widening]:
    """Return what fills the widened region: one call for each stored value, however many nodes read it."""
    found: dict[Value, _Widening] = {}
    for node, call in enumerate(calls):
        for narrow in call.stored.values():
            if narrow in found:
                continue
            wide = Value(f"{narrow.name} (widened)", "float32", narrow.shape)
            numbers: dict[str, int | float] = {
                "count": narrow.elements,
                "from": TYPES[narrow.dtype],
                "to": TYPES[wide.dtype],
            }
            cast = KernelCall(call.node, call.op, _CAST.name, numbers, {"input": narrow}, {"output": wide})
            found[narrow] = _Widening(node, cast)
    return list(found.values())


def _stacked(values: list[Value]) -> tuple[list[int], int]:
    """Return the offsets of values one after the other, and their extent."""
    offsets, end = [], 0
    for value in values:
        offsets.append(round_up(end, ALIGN))
        end = offsets[-1] + value.size_bytes
    return offsets, end
