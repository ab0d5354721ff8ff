"""docs/conformance.md: made from the results of a campaign, and read again by the test that refuses drift."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.conformance.engines import ENGINES
from tests.conformance.floats_suite import FLOAT_OPS
from tests.conformance.generated_suite import BETWEEN, Tally
from tests.conformance.layers_suite import LayersTally
from tests.conformance.real_suite import ModelTally

#: Columns come in this order; other dtypes follow.
DTYPES = ("int8", "uint8", "int16", "float32", "float32+int8", "float32+float16", "int32", "int64", "bool")
#: Versions that a page holds for; the others say where it was made.
HOLDS_FOR = ("edge-sdk", "ABI", "LiteRT")


@dataclass
class FloatsTally:
    """Rows of OPS tried on integers alone, and those of them that computed with floats."""

    tried: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)

    @property
    def wrong(self) -> list[str]:
        """What does not agree with FLOAT_OPS."""
        return [f"{op} computes with floats" for op in sorted(self.found - FLOAT_OPS.keys())] + [
            f"{op} stands in FLOAT_OPS, and computes with integers alone"
            for op in sorted((FLOAT_OPS.keys() & self.tried) - self.found)
        ]


@dataclass
class Result:
    """What a campaign found."""

    seed: int
    inputs: int
    date: str
    versions: dict[str, str]
    seconds: float = 0.0
    generated: dict[tuple[str, str], Tally] = field(default_factory=dict)
    models: list[ModelTally] = field(default_factory=list)
    layers: list[LayersTally] = field(default_factory=list)
    floats: FloatsTally = field(default_factory=FloatsTally)

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as it should be, in words."""
        words = [line for tally in self.generated.values() for line in tally.words]
        words += [f"{model.model}: {line}" for model in self.models for line in [model.refused, *model.words] if line]
        words += [f"{layers.model}: {line}" for layers in self.layers for line in layers.words]
        return words + self.floats.wrong

    @property
    def rows(self) -> set[tuple[str, str]]:
        """(case, dtype) that were tried."""
        return {(case, dtype) for (_, dtype), tally in self.generated.items() for case in tally.cases}

    @property
    def tried(self) -> int:
        return sum(tally.tried for tally in self.generated.values())


def render(result: Result) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# Conformance",
            "",
            "<!-- Made by `make conformance`; do not edit. -->",
            "",
            "What edge-sdk computes, held against the reference kernels of LiteRT (`BUILTIN_REF`). Integers have to be",
            "equal to the bit on both engines; a float output may be 1e-5 of its range away, or twice the distance",
            "between LiteRT's own back-ends where that is larger. Make it again, with any seed:",
            "",
            '    make conformance CONFORMANCE="--seed 7 --cases 5000 --inputs 200"',
            "",
            f"Seed {result.seed}, {result.date}. {_verdict(result)}",
            "",
            *_table(["", "version"], [[name, text] for name, text in result.versions.items()]),
            "",
            "## Operators",
            "",
            f"{result.tried:,} models of one operator: random shapes, strides, paddings, scales and zero points. A",
            "number alone says that as many models were tried, and all were right on both engines, host and sandbox.",
            "`float32+int8` are float32 activations with int8 weights.",
            "",
            *_operators(result),
            "",
            "## Real models",
            "",
            f"{result.inputs} seeded inputs each. Tensors: results compared for every input, inner ones included.",
            "Float outputs: the largest error, as a part of their range, and what is allowed.",
            "",
            *_models(result),
            "",
            "## The engines against each other",
            "",
            *_engines(result),
            "",
            "## Integer models compute in integers",
            "",
            *_floats(result),
            "",
        ]
    )


def summary(result: Result) -> str:
    """Return what the terminal shows."""
    lines = [*_operators(result), "", *_models(result), "", *_engines(result), "", *_floats(result), ""]
    lines += [f"WRONG {line}" for line in result.wrong]
    return "\n".join([*lines, f"seed {result.seed}, {result.seconds:.0f} s: {_verdict(result)}"])


def operators_of(page: str) -> set[tuple[str, str]]:
    """Return the (operator, dtype) pairs that a page has results for."""
    rows = [_cells(line) for line in _section(page, "Operators").splitlines() if line.startswith("|")]
    dtypes = rows[0][1:]
    return {(row[0].strip("`"), dtype) for row in rows[2:] for dtype, cell in zip(dtypes, row[1:], strict=True) if cell}


def versions_of(page: str) -> dict[str, str]:
    """Return the versions that a page holds for."""
    head = page.split("\n## ", 1)[0]
    rows = [_cells(line) for line in head.splitlines() if line.startswith("|")]
    return {row[0]: row[1] for row in rows if row[0] in HOLDS_FOR}


def float_ops_of(page: str) -> set[str]:
    """Return the operators that a page says compute with floats."""
    return set(re.findall(r"^\| `(\w+)` \|", _section(page, "Integer models compute in integers"), re.MULTILINE))


def _section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def _verdict(result: Result) -> str:
    wrong = len(result.wrong)
    return "Nothing is wrong." if not wrong else f"{wrong} things are wrong: run it to see them."


def _operators(result: Result) -> list[str]:
    found = {dtype for _, dtype in result.generated}
    dtypes = [dtype for dtype in DTYPES if dtype in found] + sorted(found - set(DTYPES))
    rows = []
    for operator in sorted({operator for operator, _ in result.generated}):
        tallies = [result.generated.get((operator, dtype)) for dtype in dtypes]
        rows.append([f"`{operator}`", *("" if tally is None else _right(tally) for tally in tallies)])
    return _table(["operator", *dtypes], rows)


def _right(tally: Tally) -> str:
    if not any(tally.wrong.values()):
        return str(tally.tried)
    right = [f"{engine} {tally.tried - tally.wrong[engine]}" for engine in ENGINES]
    return f"{', '.join(right)} of {tally.tried}"


def _models(result: Result) -> list[str]:
    rows = []
    for model in sorted(result.models, key=lambda model: model.model):
        if model.refused:
            rows.append([model.model, "refused", "", "", ""])
            continue
        right = [f"{model.inputs - model.wrong[engine]}" for engine in ENGINES]
        worst = f"{max(model.worst.values()):.1e} of {model.allowed:.1e}" if model.worst else ""
        rows.append([model.model, *right, str(model.tensors), worst])
    return _table(["model", *(f"right on the {engine}" for engine in ENGINES), "tensors", "float outputs"], rows)


def _engines(result: Result) -> list[str]:
    apart = sum(tally.wrong[BETWEEN] for tally in result.generated.values())
    layers, wrong = sum(each.layers for each in result.layers), sum(each.wrong for each in result.layers)
    return [
        "Integers bit for bit; floats within `1e-6 * sum(abs(x * w))` for sums of products, else 1e-6 of the range.",
        "",
        *_table(
            ["compared", "how many", "apart"],
            [
                ["generated models", f"{result.tried:,}", str(apart)],
                ["layers with float outputs of the real models", str(layers), str(wrong)],
            ],
        ),
    ]


def _floats(result: Result) -> list[str]:
    integers = len(result.floats.tried - result.floats.found)
    return [
        "Run on kernels in which every instruction of float arithmetic is a trap; the code that the converter emits",
        f"has none. Of {len(result.floats.tried)} operators with integer tensors {integers} never met one; the others:",
        "",
        *_table(["operator", "why"], [[f"`{op}`", FLOAT_OPS.get(op, "?")] for op in sorted(result.floats.found)]),
    ]
