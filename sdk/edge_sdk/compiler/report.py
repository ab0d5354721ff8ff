"""What a conversion did: nodes, shapes, memory, work. For people (`--dry-run`) and programs (`--json`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge_sdk.compiler.codegen.layout import Layout
from edge_sdk.compiler.graph import Graph


@dataclass(frozen=True)
class NodeReport:
    """One node that runs.

    Attributes:
        calls: kernel calls per run; more than 1 where the work limit cuts the node into slices.
    """

    name: str
    op: str
    kernel: str
    inputs: list[str]
    outputs: list[str]
    macs: int
    calls: int


@dataclass(frozen=True)
class Report:
    """The whole model.

    Attributes:
        memory: region of linear memory -> bytes.
        memory_bytes: what the module asks for, whole pages.
    """

    name: str
    inputs: list[str]
    outputs: list[str]
    nodes: list[NodeReport]
    memory: dict[str, int]
    memory_bytes: int
    macs: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def table(self) -> str:
        """Return the nodes and the memory as text for a terminal."""
        rows = [("node", "op", "kernel", "input", "output", "calls", "MACs")]
        rows += [
            (node.name, node.op, node.kernel, node.inputs[0], node.outputs[0], str(node.calls), f"{node.macs:,}")
            for node in self.nodes
        ]
        widths = [min(40, max(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
        lines = ["  ".join(_fit(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        memory = ", ".join(f"{name} {size:,}" for name, size in self.memory.items())
        lines += [
            "",
            f"{len(self.nodes)} nodes, {self.macs:,} multiply-accumulates",
            f"memory {self.memory_bytes:,} bytes: {memory}",
            f"inputs {', '.join(self.inputs)}; outputs {', '.join(self.outputs)}",
        ]
        return "\n".join(line.rstrip() for line in lines)


def make_report(graph: Graph, layout: Layout) -> Report:
    """Return the report of a laid-out model."""
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
    return Report(
        name=graph.name,
        inputs=[f"{value.name} {value}" for value in graph.inputs],
        outputs=[f"{value.name} {value}" for value in graph.outputs],
        nodes=nodes,
        memory={name: size for name, (_, size) in layout.regions.items()},
        memory_bytes=layout.memory_bytes,
        macs=sum(node.macs for node in nodes),
    )


def _fit(text: str, width: int) -> str:
    """Return the text at exactly `width`; of a long name the end says more."""
    return (text if len(text) <= width else "…" + text[len(text) - width + 1 :]).ljust(width)
