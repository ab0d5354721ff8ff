"""The table of operators and dtypes in docs/models.md, made from the conformance cases.

    python -m tests.conformance.operators              # writes it anew

An operator stands there with the dtypes that cases are made for: what the page claims is what is tried.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from edge_sdk.compiler.importers import import_model
from tests.conformance.cases import CASES
from tests.conformance.models import single_op_model
from tests.support import REPOSITORY

PAGE = REPOSITORY / "docs" / "models.md"
BEGIN, END = "<!-- operators: begin -->", "<!-- operators: end -->"
#: Models looked at for each row and dtype: some rows make one of several operators.
SEEDS = 6


def operators() -> dict[str, set[str]]:
    """Return operator -> dtypes of the activations, with the weights' after a plus."""
    found: dict[str, set[str]] = defaultdict(set)
    for case, row in CASES.items():
        for dtype in row.dtypes:
            for seed in range(SEEDS):
                node = import_model(single_op_model(case, dtype, seed).data, "case").nodes[-1]
                found[node.origin.removeprefix("CUSTOM ").strip("'")].add(dtype)
    return dict(found)


def rows(page: str) -> dict[str, set[str]]:
    """Return what a page claims."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    cells = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    return {name.strip(): set(dtypes.strip().split(", ")) for name, dtypes in cells[1:]}


def written(page: str) -> str:
    """Return the page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    table = [f"| {name} | {', '.join(sorted(dtypes))} |" for name, dtypes in sorted(operators().items())]
    lines = ["| operator | dtypes |", "|---|---|", *table]
    return before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


def main(page: Path = PAGE) -> None:
    """Write the page."""
    page.write_text(written(page.read_text()))


if __name__ == "__main__":
    main()
