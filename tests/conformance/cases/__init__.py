"""CASES: how to make random uses of every operator. One file per family; each has its own CASES.

To add a case, write a function in its family's file and a row in that file's CASES; a new family is one line below.

    def _neg(case: Case) -> Added:
        shape = (case.size(1, 4), case.size(1, 33))
        steps = case.steps()                                        # random scale and zero point; nothing for floats
        x, y = case.input("x", shape, **steps), case.tensor("y", shape, **steps)
        return case.operator("NEG", [x], [y], **tflite.options(schema.NegOptions))

    CASES = {"neg": Row(_neg, ("int8", "float32"), tolerance=EXACT)}

The key is a row of `edge_sdk.compiler.ops.OPS`, and may go on after a space for a second way to the same op:
"reshape squeeze". Every row of OPS and every operator that the importer reads must occur; a test says which does not.
`case.input(..., low=, high=)` bounds what an input is given (indices, divisors, logarithms); `Row.calls` is the length
of the sequence where state is kept. `python -m tests.conformance.try_case neg --count 200` tries a row by itself.
"""

from __future__ import annotations

from importlib import import_module

from tests.conformance.case import Row

#: Files of this folder.
FAMILIES = (
    "activation",
    "control",
    "convolution",
    "detection",
    "elementwise",
    "indexing",
    "movement",
    "networks",
    "normalization",
    "pooling",
    "quantization",
    "recurrent",
    "reduction",
)


def _merged() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for family in FAMILIES:
        for name, row in import_module(f"{__name__}.{family}").CASES.items():
            if name in rows:
                raise ValueError(f"case {name!r} stands in two files")
            rows[name] = row
    return dict(sorted(rows.items()))


CASES = _merged()


def op_of(case: str) -> str:
    """Return the row of OPS that a case is about."""
    return case.split()[0]


__all__ = ["CASES", "FAMILIES", "op_of"]
