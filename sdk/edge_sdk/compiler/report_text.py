"""A conversion's report for a person: what each part of the model takes, the largest things first.

#  node            kernel       input             output            calls        MACs
1  conv2d/Relu6    conv2d_s8    int8[1,96,96,3]   int8[1,48,48,8]       1     497,664   7 %
...
operators, work, memory, largest tensors, inputs and outputs
"""

from __future__ import annotations

from edge_sdk.compiler.report import Report, TensorReport

DEFAULT_WIDTH = 100
#: The narrowest table; a terminal that has less breaks its lines.
MIN_WIDTH = 80
#: Nodes and tensors that are named as those that dominate.
TOP = 5
BAR = 30
#: Characters that a column keeps when it gives way.
LEAST = 10


def report_text(report: Report, width: int = DEFAULT_WIDTH) -> str:
    """Return the report in lines of at most `width` characters, or MIN_WIDTH."""
    width = max(width, MIN_WIDTH)
    parts = [_nodes(report, width), _operators(report), _work(report, width), _memory(report), _tensors(report, width)]
    parts.append([f"input   {text}" for text in report.inputs] + [f"output  {text}" for text in report.outputs])
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part)


def _nodes(report: Report, width: int) -> list[str]:
    rows = [["#", "node", "kernel", "input", "output", "calls", "MACs", ""]]
    for number, node in enumerate(report.nodes, 1):
        shapes = (node.inputs or [""])[0], (node.outputs or [""])[0]
        share = _percent(node.macs, report.macs) if node.macs else ""
        rows.append([str(number), node.name, node.kernel, *shapes, str(node.calls), f"{node.macs:,}", share])
    return _table(rows, width, flexible=(1, 3, 4, 2), numbers=(0, 5, 6, 7))


def _operators(report: Report) -> list[str]:
    rows = [["operator", "dtype", "count", "MACs", ""]]
    for row in report.operators:
        share = _percent(row.macs, report.macs) if row.macs else ""
        rows.append([row.operator, row.dtype, str(row.count), f"{row.macs:,}" if row.macs else "", share])
    return _table(rows, DEFAULT_WIDTH, flexible=(0, 1), numbers=(2, 3, 4))


def _work(report: Report, width: int) -> list[str]:
    calls = sum(node.calls for node in report.nodes)
    lines = [f"work: {report.macs:,} multiply-accumulates, {calls:,} kernel calls for {len(report.nodes)} steps"]
    heaviest = sorted((node for node in report.nodes if node.macs), key=lambda node: -node.macs)[:TOP]
    lines += [
        f"  {_percent(node.macs, report.macs):>5}  {_short(node.name, width - 30)} ({node.op})" for node in heaviest
    ]
    return lines


def _memory(report: Report) -> list[str]:
    """Return the map of linear memory; the regions lie in this order."""
    lines = [f"memory: {report.memory_bytes:,} bytes"]
    names = max(len(name) for name in report.memory)
    for name, size in report.memory.items():
        if size == 0:
            continue
        bar = "#" * round(BAR * size / report.memory_bytes)
        lines.append(f"  {name:<{names}}  {size:>13,}  {_percent(size, report.memory_bytes):>5}  {bar}")
    if report.nodes and report.peak_bytes:
        lines.append(f"  the arena is fullest at node {report.peak_node + 1}: {report.peak_bytes:,} bytes in use")
    return lines


def _tensors(report: Report, width: int) -> list[str]:
    rows = [["largest tensors", "type", "where", "bytes", "alive"]]
    rows += [
        [tensor.name, tensor.type, tensor.region, f"{tensor.size_bytes:,}", _life(tensor)]
        for tensor in report.tensors[:TOP]
    ]
    return _table(rows, width, flexible=(0, 1), numbers=(3,)) if len(rows) > 1 else []


def _life(tensor: TensorReport) -> str:
    return f"nodes {tensor.first + 1} to {tensor.last + 1}" if tensor.region == "arena" else "always"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


def _table(rows: list[list[str]], width: int, *, flexible: tuple[int, ...], numbers: tuple[int, ...]) -> list[str]:
    """Return rows as lines; the `flexible` columns give way where a line would be too long, the first before others."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for column in flexible:
        excess = sum(widths) + 2 * (len(widths) - 1) - width
        widths[column] = max(min(LEAST, widths[column]), widths[column] - max(excess, 0))
    return ["  ".join(_cell(text, widths[i], i in numbers) for i, text in enumerate(row)) for row in rows]


def _cell(text: str, width: int, is_number: bool) -> str:
    text = _short(text, width)
    return text.rjust(width) if is_number else text.ljust(width)


def _short(text: str, width: int) -> str:
    """Return the text in at most `width` characters; of a long name the end says more."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]
