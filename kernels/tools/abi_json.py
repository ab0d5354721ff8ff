"""Turn kernels/**/*.def into abi.json, the page that Python's `edge_sdk.abi` reads. Run by the build.

python kernels/tools/abi_json.py kernels build/abi.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

CALL = re.compile(r"^(EDGE_\w+)\((.*)\)\s*$")
DEFINE = re.compile(r"^#define (EDGE_\w+) \(?(\d+)u?( << (\d+))?\)?$", re.MULTILINE)


def rows(path: Path) -> list[tuple[str, list[str]]]:
    """The macro calls of a .def file, one a line: (macro, arguments), strings unquoted."""
    found = []
    for line in path.read_text().splitlines():
        match = CALL.match(line)
        if match:
            arguments = re.findall(r'"[^"]*"|[^,\s][^,]*', match[2])
            found.append((match[1], [a.strip().strip('"') for a in arguments]))
    return found


def main(kernels: Path, output: Path) -> None:
    """Write `output`; raises ValueError when a row is not in the form the C side expects."""
    constants = {
        name: int(value) << int(shift or 0)
        for name, value, _, shift in DEFINE.findall((kernels / "abi/abi.h").read_text())
    }
    table: list[dict[str, object]] = []
    numbers: list[int] = []
    families: dict[str, list[list[str]]] = {}
    for macro, (number, name, family) in rows(kernels / "abi/kernels.def"):
        numbers.append(int(number))
        table.append({"id": numbers[-1], "name": name, "family": family, "packed": macro.endswith("_PACKED")})
        if family not in families:
            fields = rows(kernels / family / f"{family}.def")
            if any(macro != "EDGE_FIELD" or row[0] != family for macro, row in fields):
                raise ValueError(f"{family}.def: every row must be EDGE_FIELD({family}, ...)")
            if [row[2] for _, row in (*fields[:2], *fields[-2:])] != ["version", "node", "begin", "end"]:
                raise ValueError(f"{family}.def: a descriptor starts with version, node and ends with begin, end")
            families[family] = [row[1:] for _, row in fields]
    if numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise ValueError("kernels.def: numbers must rise")
    reasons = {int(number): [name, text] for _, (number, name, text) in rows(kernels / "abi/reasons.def")}
    isas = {int(number): text for _, (number, _, text) in rows(kernels / "abi/isa.def")}
    page = {"constants": constants, "kernels": table, "families": families, "reasons": reasons, "isas": isas}
    output.write_text(json.dumps(page, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
