"""Operators of the schema that are refused on purpose, and why; of all others there is only "not in this version"."""

from __future__ import annotations

_COMPLEX = "works on complex numbers, which no tensor here has"
_TABLES = "keeps a table of texts or numbers outside the tensors"
_RANDOM = "gives other results at each run"

REASONS = {
    "BUCKETIZE": "sorts numbers into classes whose bounds stand in its options",
    "COMPLEX_ABS": _COMPLEX,
    "HASHTABLE": _TABLES,
    "HASHTABLE_FIND": _TABLES,
    "HASHTABLE_IMPORT": _TABLES,
    "HASHTABLE_LOOKUP": _TABLES,
    "HASHTABLE_SIZE": _TABLES,
    "IMAG": _COMPLEX,
    "LSH_PROJECTION": _TABLES,
    "MULTINOMIAL": _RANDOM,
    "RANDOM_STANDARD_NORMAL": _RANDOM,
    "RANDOM_UNIFORM": _RANDOM,
    "REAL": _COMPLEX,
    "RFFT2D": _COMPLEX,
    "SKIP_GRAM": "works on texts",
    "UNIQUE": "its output's size depends on the data",
    "WHERE": "its output's size depends on the data",
}
UNKNOWN = "no such operator in this version"


def refusal(operator: str) -> str:
    """Return why an operator that is not read is refused."""
    return REASONS.get(operator, UNKNOWN)
