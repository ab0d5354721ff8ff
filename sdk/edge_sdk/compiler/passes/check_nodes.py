"""Check every node and report all that cannot be converted in one message: operator, how often, why, where, what to do.

A message has a line for each reason, a line of advice under all that share it, and the names of the first nodes; the
error's `refusals` have every name.
"""

from __future__ import annotations

from itertools import groupby

from edge_sdk.compiler.graph import Graph, Node
from edge_sdk.compiler.ops import check_node
from edge_sdk.compiler.passes.advice import advice
from edge_sdk.errors import ModelError, Refusal, UnsupportedModelError

#: Characters of a node's name; converters join the names of all that they fused.
MAX_NAME = 80
#: Lines of the report; damaged models can have thousands of reasons.
MAX_LINES = 40
#: Nodes that a line names.
NAMED = 3


def check_nodes(graph: Graph) -> None:
    """Raise UnsupportedModelError unless every node can be lowered."""
    refused: dict[tuple[str, str], list[str]] = {}
    for node in graph.nodes:
        reason = _refusal(node)
        if reason:
            refused.setdefault((node.origin or node.op, reason), []).append(node.name)
    if not refused:
        return
    refusals = [
        Refusal(operator, reason, tuple(names), advice(operator, reason))
        for (operator, reason), names in sorted(refused.items())
    ]
    count = sum(len(refusal.nodes) for refusal in refusals)
    raise UnsupportedModelError(
        f"{graph.name}: {count} of {len(graph.nodes)} operators cannot be converted:\n" + "\n".join(_lines(refusals)),
        refusals,
        hint="run it in its own runtime, outside the sandbox (edge-sdk run MODEL --engine litert), "
        "or train a model without them",
    )


def _lines(refusals: list[Refusal]) -> list[str]:
    """Return the refusals with the same advice together, those with most nodes first."""
    lines: list[str] = []
    by_advice = sorted(refusals, key=lambda refusal: (refusal.advice, -len(refusal.nodes)))
    for words, group in groupby(by_advice, key=lambda refusal: refusal.advice):
        lines += [
            f"  {refusal.operator} x{len(refusal.nodes)}: {refusal.reason} ({_where(refusal)})" for refusal in group
        ]
        lines.append(f"    -> {words}")
    if len(lines) > MAX_LINES:
        left = sum(line.startswith("  ") and not line.startswith("    ") for line in lines[MAX_LINES:])
        lines[MAX_LINES:] = [f"  and {left} more reasons"]
    return lines


def _where(refusal: Refusal) -> str:
    names = ", ".join(repr(_short(name)) for name in refusal.nodes[:NAMED])
    rest = len(refusal.nodes) - NAMED
    return f"{'node' if len(refusal.nodes) == 1 else 'nodes'} {names}" + (f" and {rest} more" if rest > 0 else "")


def _refusal(node: Node) -> str:
    """Return why a node cannot be converted, or an empty string."""
    try:
        check_node(node)
    except ModelError as error:
        return error.message
    return ""


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
