"""What a conversion did: nodes, shapes, memory, work. See `report_text` for people, `to_dict` for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from edge_sdk.compiler.codegen.layout import Layout
from edge_sdk.compiler.graph import Graph, Node, Value
from edge_sdk.compiler.ops.op import KernelCall, contents
from edge_sdk.compiler.passes.memory_plan import MemoryPlan

#: Tensors that a report names, the largest of them.
MOST_TENSORS = 10


@dataclass(frozen=True)
class NodeReport:
    """One kernel call; a node may be several.

    Attributes:
        calls: how often the kernel is called per run; more than 1 where the work limit cuts the rows into slices.
    """

    name: str
    op: str
    kernel: str
    inputs: list[str]
    outputs: list[str]
    macs: int
    calls: int


@dataclass(frozen=True)
class OperatorReport:
    """Operators of the source model that share name and dtype.

    Attributes:
        dtype: of the first input, and of the first output where that is another.
    """

    operator: str
    dtype: str
    count: int
    macs: int


@dataclass(frozen=True)
class TensorReport:
    """A tensor in memory.

    Attributes:
        region: a key of `Report.memory`: "arena" or "weights".
        first, last: numbers in `Report.nodes` between which it is alive; weights always are.
    """

    name: str
    type: str
    region: str
    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Report:
    """The whole model.

    Attributes:
        operators: those of the source model, most work first.
        tensors: the largest, at most MOST_TENSORS.
        memory: region of linear memory -> bytes.
        memory_bytes: what the module asks for, whole pages.
        peak_bytes: of the arena, in use at the same time, at most.
        peak_node: number in `nodes` of where that is.
    """

    name: str
    inputs: list[str]
    outputs: list[str]
    operators: list[OperatorReport]
    nodes: list[NodeReport]
    tensors: list[TensorReport]
    memory: dict[str, int]
    memory_bytes: int
    peak_bytes: int
    peak_node: int
    macs: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


#: (operator, dtype) of each node of the source model, by the node's name.
Sources = list[tuple[str, tuple[str, str]]]


def sources_of(graph: Graph) -> Sources:
    """Return what the operators of a graph are called, before passes change it."""
    return [(node.name, (node.origin or node.op, _dtype(node))) for node in graph.nodes]


def make_report(graph: Graph, layout: Layout, plan: MemoryPlan, sources: Sources) -> Report:
    """Return the report of a laid-out model.

    Args:
        sources: what `sources_of` returned before the passes ran.
    """
    nodes = [
        NodeReport(
            name=placed.call.node,
            op=placed.call.op,
            kernel=placed.kernel.name,
            inputs=[str(value) for value in placed.call.reads.values()],
            outputs=[str(value) for value in placed.call.writes.values()],
            macs=placed.call.macs,
            calls=len(placed.descriptors),
        )
        for placed in layout.calls
    ]
    calls = [placed.call for placed in layout.calls]
    peak_node, peak_bytes = _peak(plan, len(calls))
    return Report(
        name=graph.name,
        inputs=[f"{value.name} {value}" for value in graph.inputs],
        outputs=[f"{value.name} {value}" for value in graph.outputs],
        operators=_operators(sources, nodes),
        nodes=nodes,
        tensors=sorted(_arena(graph, calls) + _weights(calls), key=lambda tensor: -tensor.size_bytes)[:MOST_TENSORS],
        memory={name: size for name, (_, size) in layout.regions.items()},
        memory_bytes=layout.memory_bytes,
        peak_bytes=peak_bytes,
        peak_node=peak_node,
        macs=sum(node.macs for node in nodes),
    )


def _dtype(node: Node) -> str:
    first = next((value for value in node.inputs if value is not None), None)
    output = node.outputs[0] if node.outputs else None
    names = [value.dtype for value in (first, output) if value is not None]
    return " to ".join(dict.fromkeys(names)) or "-"


def _operators(sources: Sources, nodes: list[NodeReport]) -> list[OperatorReport]:
    counts = Counter(kind for _, kind in sources)
    kind_of = dict(sources)
    macs: Counter[tuple[str, str]] = Counter()
    for node in nodes:
        if node.name in kind_of:
            macs[kind_of[node.name]] += node.macs
    rows = [OperatorReport(*kind, count, macs[kind]) for kind, count in counts.items()]
    return sorted(rows, key=lambda row: (-row.macs, -row.count, row.operator, row.dtype))


def _arena(graph: Graph, calls: list[KernelCall]) -> list[TensorReport]:
    """Return the tensors that are computed, apart from the model's outputs and states."""
    fixed = {value.storage for value in (*graph.inputs, *graph.outputs, *graph.states)}
    lives: dict[Value, tuple[int, int]] = {}
    for index, call in enumerate(calls):
        for value in (*call.writes.values(), *call.reads.values()):
            if value.storage not in fixed and not value.storage.is_constant:
                first, _ = lives.get(value.storage, (index, index))
                lives[value.storage] = first, index
    return [
        TensorReport(value.name, str(value), "arena", value.size_bytes, first, last)
        for value, (first, last) in lives.items()
    ]


def _weights(calls: list[KernelCall]) -> list[TensorReport]:
    found: dict[int, TensorReport] = {}
    for call in calls:
        stored = call.constants | {field: contents(value) for field, value in call.stored.items()}
        named = {f"{call.node} {field}": array for field, array in stored.items()}
        named |= {value.name: value.storage.data for value in call.reads.values() if value.storage.data is not None}
        for name, array in named.items():
            kind = f"{array.dtype}[{','.join(map(str, array.shape))}]"
            found.setdefault(id(array), TensorReport(name, kind, "weights", array.nbytes, 0, len(calls) - 1))
    return list(found.values())


def _peak(plan: MemoryPlan, calls: int) -> tuple[int, int]:
    """Return (number of the call, bytes) where most of the arena is in use; what works in place counts once."""
    change = [0] * (calls + 1)
    for slot in {id(slot): slot for slot in plan.slots.values()}.values():
        change[slot.first] += slot.size_bytes
        change[slot.last + 1] -= slot.size_bytes
    used = most = at = 0
    for index, step in enumerate(change):
        used += step
        if used > most:
            most, at = used, index
    return at, most
