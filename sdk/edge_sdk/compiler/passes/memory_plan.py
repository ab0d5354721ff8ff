"""Where each tensor lies in the arena: two that are alive at the same call never share a byte.

Greedy by size: the largest tensor first, each at the lowest gap between the placed ones whose lives overlap its own.
A kernel that works in place gives its output the place of an input that dies there. Inputs, outputs and states of the
model are not planned here: they have places of their own, so a caller's data stays readable after a run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_sdk.abi import round_up
from edge_sdk.compiler.graph import Graph, Value
from edge_sdk.compiler.ops.op import KernelCall

#: A cache line, and the widest vector register.
ALIGN = 64


@dataclass
class Slot:
    """Bytes that one tensor, or several one after the other, occupy during calls first .. last."""

    size_bytes: int
    first: int
    last: int
    offset: int = 0


@dataclass(frozen=True)
class MemoryPlan:
    """The result.

    Attributes:
        slots: storage value -> its slot; values that share memory in place share the slot object.
        arena_bytes: the arena's size.
    """

    slots: dict[Value, Slot]
    arena_bytes: int

    def offset(self, value: Value) -> int:
        """Return a planned value's offset in the arena."""
        return self.slots[value.storage].offset


def plan_memory(graph: Graph, calls: list[KernelCall]) -> MemoryPlan:
    """Plan every tensor that the calls compute, except the graph's outputs."""
    slots = _lives(graph, calls)
    distinct = {id(slot): slot for slot in slots.values()}
    placed = _Placed(len(distinct))
    for slot in sorted(distinct.values(), key=lambda slot: (-slot.size_bytes, slot.first)):
        slot.offset = placed.lowest_gap(slot)
        placed.add(slot)
    return MemoryPlan(slots, placed.end)


def _lives(graph: Graph, calls: list[KernelCall]) -> dict[Value, Slot]:
    fixed = {value.storage for value in (*graph.inputs, *graph.outputs, *graph.states)}
    last_use = {value.storage: index for index, call in enumerate(calls) for value in call.reads.values()}
    slots: dict[Value, Slot] = {}
    for index, call in enumerate(calls):
        for output in call.writes.values():
            if output.storage in fixed:
                continue
            size, last = output.storage.size_bytes, last_use.get(output.storage, index)
            slot = slots.get(output.storage)  # another call wrote a part of it
            if slot is None:
                slot = _slot_in_place(call, index, size, slots, last_use)
            if slot is None:
                slot = Slot(size, index, last)
            slot.last = max(slot.last, last, index)
            slots[output.storage] = slot
    return slots


def _slot_in_place(
    call: KernelCall, index: int, size: int, slots: dict[Value, Slot], last_use: dict[Value, int]
) -> Slot | None:
    for field in call.in_place:
        source = call.reads[field].storage
        slot = slots.get(source)
        if slot is not None and slot.last == index == last_use[source] and slot.size_bytes == size:
            return slot
    return None


class _Placed:
    """The slots that have an offset, as arrays: models with thousands of nodes stay quick to plan."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self.first, self.last, self.begin, self.after = np.zeros((4, most), np.int64)

    @property
    def end(self) -> int:
        return int(self.after[: self.count].max(initial=0))

    def add(self, slot: Slot) -> None:
        row = self.count
        self.first[row], self.last[row] = slot.first, slot.last
        self.begin[row], self.after[row] = slot.offset, round_up(slot.offset + slot.size_bytes, ALIGN)
        self.count += 1

    def lowest_gap(self, slot: Slot) -> int:
        """Return the lowest offset at which the slot meets no other that is alive with it."""
        n = self.count
        neighbours = np.flatnonzero((self.first[:n] <= slot.last) & (self.last[:n] >= slot.first))
        neighbours = neighbours[np.argsort(self.begin[neighbours], kind="stable")]
        gaps = np.concatenate([[0], np.maximum.accumulate(self.after[neighbours])])
        fits = np.flatnonzero(gaps[:-1] + slot.size_bytes <= self.begin[neighbours])
        return int(gaps[fits[0]] if fits.size else gaps[-1])
