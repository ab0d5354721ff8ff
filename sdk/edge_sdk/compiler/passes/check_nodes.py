"""Check every node and report all that cannot be converted in one message: operator, how often, why, first where."""

from __future__ import annotations

from edge_sdk.compiler.graph import Graph, Node
from edge_sdk.compiler.ops import check_node
from edge_sdk.errors import ModelError

#: Characters of a node's name; converters join the names of all that they fused.
MAX_NAME = 80
#: Lines of the report; damaged models can have thousands of reasons.
MAX_LINES = 40


def check_nodes(graph: Graph) -> None:
    """Raise ModelError unless every node can be lowered."""
    refused: dict[tuple[str, str], list[Node]] = {}
    for node in graph.nodes:
        reason = _refusal(node)
        if reason:
            refused.setdefault((node.origin or node.op, reason), []).append(node)
    if not refused:
        return
    lines = [
        f"  {origin} x{len(nodes)}: {reason} (first: node {_short(nodes[0].name)!r})"
        for (origin, reason), nodes in sorted(refused.items())
    ]
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"  and {len(lines) - MAX_LINES} more reasons"]
    count = sum(map(len, refused.values()))
    raise ModelError(
        f"{graph.name}: {count} of {len(graph.nodes)} operators cannot be converted:\n" + "\n".join(lines),
        hint="run it in its own runtime, outside the sandbox (edge-sdk run MODEL --engine litert), "
        "or train a model without them",
    )


def _refusal(node: Node) -> str:
    """Return why a node cannot be converted, or an empty string."""
    try:
        check_node(node)
    except ModelError as error:
        return error.message
    return ""


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
